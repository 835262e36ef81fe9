// Set up the frame and all sections, then choose the run that the address names, or the best one.
frameTheme();
framePrint();
for (const [name, setUp] of Object.entries(SECTIONS)) {
  try {
    setUp();
  } catch (error) {
    console.error(`section ${name}:`, error); // the other sections work without it
  }
}
frameNavigation();
frameAddress();

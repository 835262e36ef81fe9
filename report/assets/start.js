// Set up all sections, then choose the run that the address names, or the first one.
for (const setUp of Object.values(SECTIONS)) setUp();

// The frame of the page: theme, current section in the navigation, print, and the address of the chosen run.

const THEMES = ["system", "light", "dark"];

/** Set up the button that changes between the theme of the system, light and dark. */
function frameTheme() {
  const button = document.getElementById("theme");
  const show = (theme) => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.dataset.theme = theme;
    button.querySelector(".value").textContent = theme;
    document.dispatchEvent(new CustomEvent("themechange", {detail: theme}));
  };
  button.hidden = false;
  button.addEventListener("click", () => {
    const theme = THEMES[(THEMES.indexOf(button.dataset.theme) + 1) % THEMES.length];
    frameStore(theme);
    show(theme);
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => show(button.dataset.theme));
  const stored = frameStore();
  show(THEMES.includes(stored) ? stored : "system");
}

/** Read or write the theme of this visit; pages that are opened from disk may have no storage. */
function frameStore(theme) {
  try {
    if (theme !== undefined) sessionStorage.setItem("theme", theme);
    return sessionStorage.getItem("theme");
  } catch {
    return theme ?? null;
  }
}

/** Mark the section that is being read in the navigation. */
function frameNavigation() {
  const links = [...document.querySelectorAll(".bar nav a")];
  const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
  const bar = document.querySelector(".bar");
  let waiting = false;
  const mark = () => {
    waiting = false;
    const line = bar.getBoundingClientRect().bottom + (scrollY > 0 ? innerHeight / 4 : 0);
    const end = scrollY > 0 && innerHeight + scrollY >= document.documentElement.scrollHeight - 2;
    const passed = sections.filter((section) => section.getBoundingClientRect().top <= line).length;
    const current = end ? links.length - 1 : Math.max(0, passed - 1);
    links.forEach((link, index) => {
      if (index === current && !link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "location");
        const nav = link.parentElement;
        nav.scrollTo({left: link.offsetLeft - nav.offsetLeft - (nav.clientWidth - link.offsetWidth) / 2});
      } else if (index !== current) link.removeAttribute("aria-current");
    });
  };
  const later = () => {
    if (!waiting) requestAnimationFrame(mark);
    waiting = true;
  };
  addEventListener("scroll", later, {passive: true});
  addEventListener("resize", later);
  mark();
}

/** Open the details marked with `data-print` while the page is printed. */
function framePrint() {
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details[data-print]:not([open])")];
    for (const details of closed) details.open = true;
  });
  addEventListener("afterprint", () => {
    for (const details of closed) details.open = false;
  });
}

/** Name of the run in an address like `#run=demo`; null if there is none. */
function frameRun(hash) {
  if (!hash.startsWith("#run=")) return null;
  try {
    const run = decodeURIComponent(hash.slice("#run=".length));
    return chosen.known(run) ? run : null;
  } catch {
    return null;
  }
}

/** Choose the run that the address names, or the best one, and keep the address up to date. */
function frameAddress() {
  const open = (run) => {
    chosen.choose(run);
    const heading = document.getElementById("run-title");
    document.getElementById("run").scrollIntoView();
    heading.focus({preventScroll: true});
  };
  chosen.follow((run) => {
    if (location.hash === "" || location.hash.startsWith("#run=")) frameReplace(`#run=${encodeURIComponent(run)}`);
  });
  const named = frameRun(location.hash);
  const runs = DATA.overview.runs;
  const best = DATA.comparison.groups.map(({results}) => DATA.comparison.results[results[0]].run).find(chosen.known);
  const first = runs.find(({name}) => name === best) ?? runs.find(({scored}) => scored) ?? runs.find(({status}) => status !== "damaged") ?? runs[0];
  if (named !== null) open(named);
  else if (first !== undefined) {
    frameQuiet = true;
    chosen.choose(first.name);
    frameQuiet = false;
  }
  addEventListener("hashchange", () => {
    const run = frameRun(location.hash);
    if (run !== null) open(run);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.('a[href^="#run="]');
    if (link && link.hash === location.hash && frameRun(link.hash) !== null) open(frameRun(link.hash));
  });
}

let frameQuiet = false;

/** Replace the address without scrolling; the first choice, which nobody made, leaves it alone. */
function frameReplace(hash) {
  if (frameQuiet || hash === location.hash) return;
  try {
    history.replaceState(null, "", hash);
  } catch {
    // Some browsers refuse to change the address of a file; nothing depends on it.
  }
}

"use strict";
// Basis of all sections: the data of the page, the chosen run, elements and charts.
//
// parts.js has colours (`series`, `shade`), `legend` and `sortable`. When the theme changes, the document gets an event
// `themechange` for canvases; SVG follows the colours of CSS by itself.

/** Data of the page: section name -> content, see report/sections. */
const DATA = JSON.parse(document.getElementById("data").textContent);

/** Section name -> function that sets the section up; `start.js` calls them in the order of the page. */
const SECTIONS = {};

/** Name of the chosen run, which is the same in all sections. */
const chosen = {
  run: null,
  listeners: [],
  /** Choose a run, and update all sections that show one. */
  choose(run) {
    if (run === this.run) return;
    this.run = run;
    for (const listener of this.listeners) listener(run);
  },
  /** Call a function now, if a run is chosen, and whenever another one is. */
  follow(listener) {
    this.listeners.push(listener);
    if (this.run !== null) listener(this.run);
  },
  /** Whether the report has a run of this name. */
  known: (run) => DATA.overview.runs.some(({name}) => name === run),
};

/** Make an element: `element("td", {class: "number"}, "42")`. Texts are never parsed as HTML. */
function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined && value !== false) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/**
 * Draw a chart into a container when it comes into view, and again when its width changes or before printing.
 *
 * `draw(width)` returns options of Plot.plot, or a finished element, or null if there is nothing to draw; `label`
 * describes the chart to people who do not see it. A later call for the same container replaces the chart.
 */
function chart(container, label, draw) {
  container.show = () => drawChart(container, label, draw);
  container.shownWidth = null;
  if (container.watcher) {
    if (container.inView) container.show();
    return;
  }
  container.watcher = new IntersectionObserver((entries) => {
    container.inView = entries.at(-1).isIntersecting;
    if (container.inView && container.shownWidth === null) container.show();
  }, {rootMargin: "400px"});
  container.watcher.observe(container);
  new ResizeObserver(() => {
    if (container.shownWidth !== null && container.shownWidth !== container.clientWidth) container.show();
  }).observe(container);
  container.dataset.chart = "";
}

/** Width between the margins of a printed page in CSS pixels. */
const PRINTED = 700;
let printing = false;

/** Width of a chart in CSS pixels; on paper it has its share of the width between the margins of a page. */
function chartWidth(container) {
  const width = container.clientWidth;
  const share = printing ? Math.min(1, PRINTED / document.getElementById("main").clientWidth) : 1;
  return Math.max(280, Math.round(share * width));
}

for (const moment of ["beforeprint", "afterprint"]) {
  addEventListener(moment, () => {
    printing = moment === "beforeprint";
    for (const container of document.querySelectorAll("[data-chart]")) container.show();
  });
}

/** Draw now, see `chart`. A chart that fails says so, and leaves the rest of the page alone. */
function drawChart(container, label, draw) {
  const width = chartWidth(container);
  container.shownWidth = container.clientWidth;
  try {
    const drawn = draw(width);
    if (drawn === null || drawn instanceof Node) {
      for (const name of ["role", "aria-label"]) container.removeAttribute(name);
      container.replaceChildren(...(drawn === null ? [] : [drawn]));
      return;
    }
    const {style, ...options} = drawn;
    const plot = Plot.plot({width, ...options, style: {background: "transparent", fontSize: "12px", ...style}});
    plot.setAttribute("aria-hidden", "true"); // the groups in it have labels without a role, which nobody can use
    container.setAttribute("role", "img");
    container.setAttribute("aria-label", label);
    container.replaceChildren(plot);
  } catch (error) {
    console.error(`chart "${label}":`, error);
    container.replaceChildren(element("p", {class: "failed"}, `This chart could not be drawn: ${error.message}`));
  }
}

/** A share from 0 to 1 in percent with one decimal, or a dash. */
const percent = (value) => (value === null || value === undefined ? "-" : (100 * value).toFixed(1));

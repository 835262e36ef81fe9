"use strict";
// Section pictures: view of two layers with a divider, which zooms and moves.

/** Zoom factor and middle of the view (0 to 1 of the picture), place of the divider (0 to 1), and both layers. */
const picturesView = {scale: 1, x: 0.5, y: 0.5, wipe: 0.5, left: null, right: null, size: null, waiting: false};
const PICTURES_ZOOM = 32;
/** Distance from the divider, in CSS pixels, in which a drag moves it. */
const PICTURES_REACH = 20;

const picturesPart = (name) => document.getElementById(`pictures-${name}`);

/** Set up the slider, the buttons, the wheel and the pointer; `hover(x, y)` gets a pixel of the layers, or null. */
function picturesViewSetUp(hover) {
  const stage = picturesPart("stage");
  picturesPart("wipe").addEventListener("input", (event) => picturesWipe(event.target.value / 1000));
  picturesPart("in").addEventListener("click", () => picturesZoom(2));
  picturesPart("out").addEventListener("click", () => picturesZoom(0.5));
  picturesPart("whole").addEventListener("click", () => picturesZoom(0));
  stage.addEventListener("wheel", (event) => {
    const wanted = event.ctrlKey || event.metaKey || document.activeElement === stage;
    if (!wanted || (event.deltaY > 0 && picturesView.scale === 1)) return;
    event.preventDefault();
    picturesZoom(Math.exp(-Math.sign(event.deltaY) * Math.min(0.5, Math.abs(event.deltaY) / 300)), picturesPlace(event));
  }, {passive: false});
  stage.addEventListener("keydown", picturesViewKey);
  picturesPointers(stage, hover);
  new ResizeObserver(() => picturesDraw()).observe(stage);
}

/** Keys of the view: + - 0 zoom, arrows move. */
function picturesViewKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const step = 0.15 / picturesView.scale;
  const act = {
    "+": () => picturesZoom(1.5), "=": () => picturesZoom(1.5), "-": () => picturesZoom(1 / 1.5), "0": () => picturesZoom(0),
    ArrowLeft: () => picturesMove(-step, 0), ArrowRight: () => picturesMove(step, 0),
    ArrowUp: () => picturesMove(0, -step), ArrowDown: () => picturesMove(0, step),
  }[event.key];
  if (!act) return;
  event.preventDefault();
  act();
}

/** Pointers: a drag wipes where the divider is or nothing is enlarged, and moves elsewhere; two fingers zoom. */
function picturesPointers(stage, hover) {
  const down = new Map();
  let wiping = false;
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    down.set(event.pointerId, event);
    const near = Math.abs(event.clientX - stage.getBoundingClientRect().left - picturesView.wipe * stage.clientWidth);
    wiping = down.size === 1 && (picturesView.scale === 1 || near < PICTURES_REACH);
  });
  stage.addEventListener("pointermove", (event) => {
    const before = down.get(event.pointerId);
    if (!before) {
      hover(picturesPixelAt(event));
      return;
    }
    if (down.size === 2) picturesPinch(down, event);
    else if (wiping) picturesWipe(picturesPlace(event).x);
    else {
      const {width, height} = stage.getBoundingClientRect();
      const {scale} = picturesView;
      picturesMove((before.clientX - event.clientX) / width / scale, (before.clientY - event.clientY) / height / scale);
    }
    down.set(event.pointerId, event);
  });
  for (const kind of ["pointerup", "pointercancel"]) stage.addEventListener(kind, (event) => down.delete(event.pointerId));
  stage.addEventListener("pointerleave", () => hover(null));
}

/** Zoom by the change of the distance between two fingers. */
function picturesPinch(down, event) {
  const distance = (one, two) => Math.hypot(one.clientX - two.clientX, one.clientY - two.clientY);
  const other = [...down.values()].find((pointer) => pointer.pointerId !== event.pointerId);
  const factor = distance(event, other) / Math.max(1, distance(down.get(event.pointerId), other));
  picturesZoom(factor, picturesPlace(event));
}

/** Place of an event in the view, 0 to 1. */
function picturesPlace(event) {
  const {left, top, width, height} = picturesPart("stage").getBoundingClientRect();
  return {x: (event.clientX - left) / width, y: (event.clientY - top) / height};
}

/** Pixel of the layers at an event; null outside or without a picture. */
function picturesPixelAt(event) {
  const {size, scale, x, y} = picturesView;
  if (!size) return null;
  const place = picturesPlace(event);
  const column = Math.floor((x + (place.x - 0.5) / scale) * size[0]);
  const row = Math.floor((y + (place.y - 0.5) / scale) * size[1]);
  return column >= 0 && row >= 0 && column < size[0] && row < size[1] ? {column, row} : null;
}

/** Move the divider. */
function picturesWipe(place) {
  picturesView.wipe = Math.min(1, Math.max(0, place));
  const slider = picturesPart("wipe");
  slider.value = Math.round(1000 * picturesView.wipe);
  slider.setAttribute("aria-valuetext", `${Math.round(100 * picturesView.wipe)} % left layer`);
  picturesDraw();
}

/** Zoom by a factor around a place of the view; 0 shows the whole picture. */
function picturesZoom(factor, place = {x: 0.5, y: 0.5}) {
  const view = picturesView;
  const scale = factor === 0 ? 1 : Math.min(PICTURES_ZOOM, Math.max(1, view.scale * factor));
  view.x += (place.x - 0.5) * (1 / view.scale - 1 / scale);
  view.y += (place.y - 0.5) * (1 / view.scale - 1 / scale);
  view.scale = scale;
  picturesPart("zoom").textContent = `${Math.round(100 * scale)} %`;
  picturesPart("stage").classList.toggle("enlarged", scale > 1);
  picturesMove(0, 0);
}

/** Move the view by a share of the picture, and keep it inside. */
function picturesMove(right, down) {
  const view = picturesView;
  const half = 0.5 / view.scale;
  view.x = Math.min(1 - half, Math.max(half, view.x + right));
  view.y = Math.min(1 - half, Math.max(half, view.y + down));
  picturesDraw();
}

/** Show two layers: `{canvas, smooth, title, name}` each, of one size. */
function picturesShow(left, right) {
  Object.assign(picturesView, {left, right, size: [left.canvas.width, left.canvas.height]});
  const stage = picturesPart("stage");
  stage.style.aspectRatio = `${left.canvas.width} / ${left.canvas.height}`;
  stage.style.maxWidth = `calc(75vh * ${left.canvas.width / left.canvas.height})`;
  picturesPart("wipe").style.maxWidth = stage.style.maxWidth;
  picturesPart("tag-left").textContent = left.title;
  picturesPart("tag-right").textContent = right.title;
  picturesPart("canvas").setAttribute("aria-label", `Left: ${left.name}. Right: ${right.name}.`);
  picturesDraw();
}

/** Draw before the next frame. */
function picturesDraw() {
  const view = picturesView;
  if (view.waiting || !view.size) return;
  view.waiting = true;
  requestAnimationFrame(() => {
    view.waiting = false;
    picturesDrawNow();
  });
}

function picturesDrawNow() {
  const view = picturesView;
  const stage = picturesPart("stage");
  const canvas = picturesPart("canvas");
  const [width, height] = [stage.clientWidth, stage.clientHeight].map((side) => Math.round(side * devicePixelRatio));
  if (width === 0 || height === 0) return;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
  const pen = canvas.getContext("2d");
  const edge = Math.round(view.wipe * width);
  const factor = (view.scale * width) / view.size[0];
  for (const [layer, from, to] of [[view.left, 0, edge], [view.right, edge, width]]) {
    pen.save();
    pen.beginPath();
    pen.rect(from, 0, to - from, height);
    pen.clip();
    pen.imageSmoothingEnabled = factor < (layer.smooth ? 2 : 1);
    pen.imageSmoothingQuality = "high";
    const [drawnWidth, drawnHeight] = [view.scale * width, view.scale * height];
    pen.drawImage(layer.canvas, width / 2 - view.x * drawnWidth, height / 2 - view.y * drawnHeight, drawnWidth, drawnHeight);
    pen.restore();
  }
  picturesPart("divider").style.left = `${100 * view.wipe}%`;
}

"use strict";
// Section pictures: list of the scenes, sorted and filtered, with thumbnails that are decoded when they come into view.

/** Shown scenes in their order, as indices into the set, the option of each scene, and thumbnails to draw. */
const picturesList = {order: [], options: [], watcher: null, waiting: [], drawing: false};
const PICTURES_THUMBNAIL = 168;

/** Score of a scene by which the list is sorted, and which its thumbnail shows; null if there is none. */
function picturesScore(scene, result, order) {
  const scores = result === null ? null : scene.scores[result];
  if (!scores) return null;
  return order.startsWith("class ") ? scores.classes[Number(order.slice(6))] : scores.mean;
}

/** Fill the chooser of the order. */
function picturesOrders(set, b) {
  const chooser = picturesPart("order");
  const before = chooser.value;
  const option = (value, label) => element("option", {value}, label);
  const classes = element("optgroup", {label: "Worst IoU of a class first"});
  set.classes.forEach(({name}, id) => classes.append(option(`class ${id}`, name)));
  const scored = set.scenes.some((scene) => scene.scores.some((scores) => scores !== null));
  chooser.replaceChildren(
    ...(scored ? [option("worst", "Worst mean IoU first")] : []),
    ...(scored && b !== null ? [option("loss", "Where B loses most against A"), option("gain", "Where B gains most over A")] : []),
    option("name", "Name"),
    ...(scored ? [classes] : []),
  );
  if ([...chooser.options].some(({value}) => value === before)) chooser.value = before;
}

/** Sort and filter the list by the choosers. */
function picturesArrange(set, a, b) {
  const order = picturesPart("order").value;
  const part = picturesPart("filter").value.trim().toLowerCase();
  const key = (scene) => {
    const [one, two] = [picturesScore(scene, a, order), picturesScore(scene, b, order)];
    if (order === "name") return 0;
    if (order === "loss" || order === "gain") return one === null || two === null ? 9 : (order === "loss" ? two - one : one - two);
    return one ?? 9;
  };
  const names = new Intl.Collator("en", {numeric: true});
  picturesList.order = set.scenes
    .map((scene, index) => ({scene, index, key: key(scene)}))
    .filter(({scene}) => scene.name.toLowerCase().includes(part))
    .sort((one, two) => one.key - two.key || names.compare(one.scene.name, two.scene.name))
    .map(({index}) => index);
  for (const [index, option] of picturesList.options.entries()) {
    option.querySelector(".pictures-score").textContent = picturesScoreText(set.scenes[index], a, b, order);
  }
  picturesPart("list").replaceChildren(...picturesList.order.map((index) => picturesList.options[index]));
  if (!picturesList.order.some((index) => picturesList.options[index].getAttribute("aria-selected") === "true")) {
    picturesPart("list").removeAttribute("aria-activedescendant");
  }
  picturesPart("count").textContent = `${picturesList.order.length} of ${set.scenes.length} scenes`;
}

/** The score that a thumbnail shows, in percent. */
function picturesScoreText(scene, a, b, order) {
  const one = percent(picturesScore(scene, a, order));
  return b === null ? one : `A ${one}, B ${percent(picturesScore(scene, b, order))}`;
}

/** Make the options of a set; `choose(index)` is called for a scene that is clicked or reached by keys. */
function picturesOptions(set, number, choose) {
  const list = picturesPart("list");
  picturesList.watcher?.disconnect();
  picturesList.waiting = [];
  picturesList.watcher = new IntersectionObserver((entries) => {
    for (const {target, isIntersecting} of entries) {
      if (!isIntersecting) continue;
      picturesList.watcher.unobserve(target);
      picturesList.waiting.push(() => picturesThumbnail(target, set.scenes[target.dataset.index]));
    }
    picturesThumbnails();
  }, {rootMargin: "150px"});
  picturesList.options = set.scenes.map((scene, index) => {
    const [width, height] = scene.size;
    const canvas = element("canvas", {width: 16, height: 8, "aria-hidden": "true"});
    canvas.style.aspectRatio = `${width} / ${height}`;
    const name = element("span", {class: "pictures-scene"}, scene.name.split("/").at(-1));
    const option = element(
      "div", {role: "option", id: `pictures-option-${number}-${index}`, "data-index": index, "aria-selected": "false"},
      canvas, name, element("span", {class: "pictures-score"}),
    );
    option.title = scene.name;
    option.addEventListener("click", () => choose(index));
    picturesList.watcher.observe(option);
    return option;
  });
  list.onkeydown = (event) => picturesListKey(event, choose);
}

/** Draw the thumbnails that are waiting one after the other, so that the large picture never waits for many of them. */
async function picturesThumbnails() {
  if (picturesList.drawing) return;
  picturesList.drawing = true;
  try {
    while (picturesList.waiting.length > 0) await picturesList.waiting.shift()();
  } finally {
    picturesList.drawing = false;
  }
}

/** Draw the image of a scene into its option. */
async function picturesThumbnail(option, scene) {
  const canvas = option.querySelector("canvas");
  const [width, height] = scene.size;
  const options = {resizeWidth: PICTURES_THUMBNAIL, resizeHeight: Math.max(1, Math.round((PICTURES_THUMBNAIL * height) / width)), resizeQuality: "medium"};
  const bitmap = await createImageBitmap(picturesBlob(scene.image), options);
  Object.assign(canvas, {width: bitmap.width, height: bitmap.height});
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  bitmap.close();
}

/** Keys of the list: arrows, Home and End choose a scene. */
function picturesListKey(event, choose) {
  const {order, options} = picturesList;
  const list = picturesPart("list");
  if (order.length === 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  const at = order.findIndex((index) => options[index].getAttribute("aria-selected") === "true");
  const first = options[order[0]];
  const row = Math.max(1, order.findIndex((index) => options[index].offsetTop !== first.offsetTop));
  const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row}[event.key];
  const to = event.key === "Home" ? 0 : event.key === "End" ? order.length - 1 : step === undefined ? null : at + step;
  if (to === null) return;
  event.preventDefault();
  if (to >= 0 && to < order.length) choose(order[to]);
  list.focus();
}

/** Mark an option as chosen, and scroll the list, but not the page, to it. */
function picturesMark(index) {
  const list = picturesPart("list");
  for (const option of list.querySelectorAll('[aria-selected="true"]')) option.setAttribute("aria-selected", "false");
  const option = picturesList.options[index];
  option.setAttribute("aria-selected", "true");
  list.setAttribute("aria-activedescendant", option.id);
  const [top, bottom] = [option.offsetTop, option.offsetTop + option.offsetHeight];
  if (top < list.scrollTop || bottom > list.scrollTop + list.clientHeight) list.scrollTop = top - 8;
}

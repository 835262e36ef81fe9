"use strict";
// Section pictures: decoder of the embedded pictures. Nothing is decoded before it is shown.

/** Id of a picture -> promise of what it holds; the ones used last are kept. */
const picturesKept = new Map();
const PICTURES_KEPT = 48;

/** The bytes of an embedded picture as a blob. */
function picturesBlob(id) {
  const text = atob(document.getElementById(id).textContent);
  const bytes = new Uint8Array(text.length);
  for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
  return new Blob([bytes], {type: "image/webp"});
}

/** Keep the promise that `make` returns under a key, and forget the one that was not used for longest. */
function picturesOnce(key, make) {
  const found = picturesKept.get(key) ?? make();
  picturesKept.delete(key);
  picturesKept.set(key, found);
  if (picturesKept.size > PICTURES_KEPT) picturesKept.delete(picturesKept.keys().next().value);
  return found;
}

/** Promise of the RGBA pixels of a picture, exactly as they were encoded. */
function picturesPixels(id) {
  return picturesOnce(id, async () => {
    const bitmap = await createImageBitmap(picturesBlob(id), {colorSpaceConversion: "none", premultiplyAlpha: "none"});
    const canvas = picturesCanvas(bitmap.width, bitmap.height);
    const pen = canvas.getContext("2d", {willReadFrequently: true});
    pen.drawImage(bitmap, 0, 0);
    bitmap.close();
    return pen.getImageData(0, 0, canvas.width, canvas.height);
  });
}

/** Promise of the values of a mask: train ids, or steps of confidence. */
function picturesValues(id) {
  return picturesOnce(`values ${id}`, async () => {
    const {data} = await picturesPixels(id);
    const values = new Uint8Array(data.length / 4);
    for (let at = 0; at < values.length; at += 1) values[at] = data[4 * at];
    picturesKept.delete(id);
    return values;
  });
}

/** A canvas of a size that is not part of the page. */
function picturesCanvas(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/**
 * Promise of the layers of a scene that some results need: `{width, height, image, truth, predictions, confidences}`.
 *
 * `image` has RGBA pixels. `truth` and each of `predictions` (result -> mask) are train ids, one per pixel, or null.
 * `confidences` (result -> steps) exist where the prediction files hold confidences.
 */
async function picturesDecode(set, scene, results) {
  const wanted = results.filter((result) => result !== null && scene.predictions[result]);
  const [image, truth, ...values] = await Promise.all([
    picturesPixels(scene.image),
    scene.truth ? picturesValues(scene.truth) : null,
    ...wanted.map((result) => picturesValues(scene.predictions[result])),
  ]);
  const predictions = {};
  const confidences = {};
  wanted.forEach((result, at) => {
    if (set.confidence) confidences[result] = values[at];
    predictions[result] = set.confidence ? picturesDecided(set, values[at]) : values[at];
  });
  return {width: image.width, height: image.height, image, truth, predictions, confidences};
}

/** Train ids that follow from confidences: one half or more is the class. */
function picturesDecided(set, steps) {
  const {levels, class: sure} = set.confidence;
  return steps.map((step) => (2 * step >= levels ? sure : 1 - sure));
}

/** Whether all values of a mask are classes or void: browsers that hide what they are may alter what a page reads. */
function picturesAreIds(set, mask) {
  return mask === null || mask === undefined || mask.every((id) => id < set.classes.length || id === 255);
}

"use strict";
// Section pictures: painter of the layers of a scene.

/** Colours of the error map, which people who confuse red and green can tell apart, and which differ in brightness. */
const PICTURES_ERRORS = {
  wrong: [255, 176, 0],
  found: [100, 143, 255],
  missed: [255, 176, 0],
  alarm: [220, 38, 127],
  void: [128, 128, 128],
};

/** Names of the kinds of layers, in the order of the choosers. */
const PICTURES_KINDS = {
  image: "image",
  truth: "ground truth",
  prediction: "prediction",
  overlay: "prediction over the image",
  errors: "errors",
  confidence: "confidence",
};

const picturesBright = (data, at) => 0.3 * data[at] + 0.59 * data[at + 1] + 0.11 * data[at + 2];

/**
 * Paint a layer as a canvas.
 *
 * `layer` is `{kind, result}`. If `highlight` is the id of a class, everything else becomes grey.
 */
function picturesPaint(set, layers, layer, highlight) {
  const canvas = picturesCanvas(layers.width, layers.height);
  const pen = canvas.getContext("2d");
  const painted = pen.createImageData(layers.width, layers.height);
  const mask = layer.kind === "truth" ? layers.truth : layers.predictions[layer.result];
  const out = painted.data;
  if (layer.kind === "image") picturesPaintImage(out, layers, highlight);
  else if (!mask) out.fill(128);
  else if (layer.kind === "errors") picturesPaintErrors(out, layers, mask, highlight);
  else if (layer.kind === "confidence") picturesPaintSteps(out, layers.confidences[layer.result], set.confidence.levels);
  else picturesPaintMask(out, set, mask, layer.kind === "overlay" ? layers.image.data : null, highlight);
  for (let at = 3; at < out.length; at += 4) out[at] = 255;
  pen.putImageData(painted, 0, 0);
  return canvas;
}

/** The image; with a highlighted class, all pixels but those that truly belong to it are grey. */
function picturesPaintImage(out, layers, highlight) {
  const {data} = layers.image;
  out.set(data);
  const region = layers.truth ?? Object.values(layers.predictions)[0];
  if (highlight === null || !region) return;
  for (let pixel = 0; pixel < region.length; pixel += 1) {
    if (region[pixel] !== highlight) picturesPut(out, 4 * pixel, picturesDim(data, 4 * pixel));
  }
}

/** A mask in the colours of the classes, alone or over the image. */
function picturesPaintMask(out, set, mask, image, highlight) {
  const palette = picturesPalette(set, image === null ? highlight : null);
  if (image !== null && highlight !== null) palette[highlight] = picturesLight(palette[highlight]);
  for (let pixel = 0; pixel < mask.length; pixel += 1) {
    const at = 4 * pixel;
    const color = palette[mask[pixel]];
    if (image === null) picturesPut(out, at, color);
    else if (highlight !== null && mask[pixel] !== highlight) picturesPut(out, at, picturesDim(image, at));
    else picturesPut(out, at, color.map((value, band) => (image[at + band] + value) / 2));
  }
}

/** Wrong pixels, or with a highlighted class its hits, misses and false alarms, over a dark image. */
function picturesPaintErrors(out, layers, mask, highlight) {
  const {truth, image} = layers;
  for (let pixel = 0; pixel < mask.length; pixel += 1) {
    const kind = truth ? picturesError(truth[pixel], mask[pixel], highlight) : null;
    picturesPut(out, 4 * pixel, kind ? PICTURES_ERRORS[kind] : picturesDim(image.data, 4 * pixel));
  }
}

/** Kind of a pixel in the error map; null for a correct one, and for one that has nothing to do with the highlight. */
function picturesError(truth, predicted, highlight) {
  if (truth === 255) return "void";
  if (highlight === null) return truth === predicted ? null : "wrong";
  if (truth === highlight) return predicted === highlight ? "found" : "missed";
  return predicted === highlight ? "alarm" : null;
}

/** Confidences from black to white. */
function picturesPaintSteps(out, steps, levels) {
  for (let pixel = 0; pixel < steps.length; pixel += 1) {
    const grey = (255 * steps[pixel]) / (levels - 1);
    picturesPut(out, 4 * pixel, [grey, grey, grey]);
  }
}

/** Colour of each id; with a highlighted class, the others are greys that contrast with it. */
function picturesPalette(set, highlight) {
  const colors = Array.from({length: 256}, (_, id) => set.classes[id]?.color ?? set.void);
  if (highlight === null) return colors;
  const dark = picturesBright(colors[highlight], 0) < 110;
  return colors.map((color, id) => {
    const grey = (dark ? 195 : 30) + 0.15 * picturesBright(color, 0);
    return id === highlight ? color : [grey, grey, grey];
  });
}

/** A colour that is seen on a dark image: dark ones are mixed with white. */
function picturesLight(color) {
  const part = Math.max(0, 1 - picturesBright(color, 0) / 140);
  return color.map((band) => band + (255 - band) * part);
}

/** A dark grey of the brightness of a pixel. */
function picturesDim(data, at) {
  const grey = 12 + 0.36 * picturesBright(data, at);
  return [grey, grey, grey + 8];
}

function picturesPut(out, at, color) {
  out[at] = color[0];
  out[at + 1] = color[1];
  out[at + 2] = color[2];
}

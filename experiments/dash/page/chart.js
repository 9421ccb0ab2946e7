// The chart: a line for each arm over the time of the media, on a scale of powers of ten.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 300;
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 12, 10, 40];
const TICK_ROOM = 70; // pixels between two ticks of time, at least

export function draw(place, arms, column) {
  const width = Math.max(280, place.clientWidth);
  const ends = arms.flatMap((arm) => arm.slices.map((slice) => slice[0]));
  const delays = arms.flatMap((arm) => arm.slices.map((slice) => slice[column]).filter((delay) => delay > 0));
  const last = Math.max(1, ...ends);
  const least = 10 ** Math.floor(Math.log10(Math.min(10, ...delays)));
  const most = 10 ** Math.ceil(Math.log10(Math.max(100, ...delays)));
  const across = (at) => LEFT + (Math.max(0, at) / last) * (width - LEFT - RIGHT);
  const up = (delay) => {
    const share = Math.log10(Math.max(delay, least) / least) / Math.log10(most / least);
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  };
  const svg = make("svg", {
    viewBox: `0 0 ${width} ${HEIGHT}`,
    height: HEIGHT,
    role: "img",
    "aria-label": `Time from capture to display of ${arms.length} arms over the time of the media; the table below has the last numbers.`,
  });
  for (let power = least; power <= most; power *= 10) {
    for (const step of power === most ? [1] : [1, 2, 5]) {
      const delay = power * step;
      svg.append(make("path", { d: `M${LEFT} ${up(delay)}H${width - RIGHT}` }));
      svg.append(text(LEFT - 6, up(delay) + 4, number(delay), "end"));
    }
  }
  for (const at of ticks(last, (width - LEFT - RIGHT) / TICK_ROOM)) {
    svg.append(make("path", { d: `M${across(at)} ${HEIGHT - BOTTOM}v5` }));
    svg.append(text(across(at), HEIGHT - BOTTOM + 18, number(at), "middle"));
  }
  svg.append(text(width - RIGHT, HEIGHT - 4, "seconds of media", "end"), text(0, HEIGHT - 4, "ms", "start"));
  for (const arm of arms) svg.append(...curve(arm, column, across, up));
  place.replaceChildren(svg);
}

export function swatch(style) {
  const svg = make("svg", { viewBox: "0 0 32 10", class: `swatch c${style.color}`, "aria-hidden": "true" });
  svg.append(make("path", { d: "M0 5H32", "stroke-dasharray": dashes(style) }));
  return svg;
}

function curve(arm, column, across, up) {
  let d = "";
  let pen = "M";
  let alone = null; // a point without neighbours, which no line shows
  const dots = [];
  const dot = () => {
    if (alone !== null) dots.push(make("circle", { cx: alone[0], cy: alone[1], r: 2.5, class: `c${arm.style.color}` }));
  };
  for (const slice of arm.slices) {
    if (slice[column] === null) {
      dot();
      alone = null;
      pen = "M";
      continue;
    }
    const point = [across(slice[0]).toFixed(1), up(slice[column]).toFixed(1)];
    alone = pen === "M" ? point : null;
    d += `${pen}${point.join(" ")}`;
    pen = "L";
  }
  dot();
  return [make("path", { d, class: `curve c${arm.style.color}`, "stroke-dasharray": dashes(arm.style), "data-arm": arm.label }), ...dots];
}

// Dashes are in widths of the line.
const dashes = (style) => style.dashes.map((length) => 2 * length).join(" ");

function ticks(last, count) {
  const rough = last / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((size) => size >= rough);
  return Array.from({ length: Math.floor(last / step) + 1 }, (_, index) => index * step);
}

const number = (value) => String(Number(value.toPrecision(6)));

function text(x, y, content, anchor) {
  const element = make("text", { x, y, "text-anchor": anchor });
  element.textContent = content;
  return element;
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

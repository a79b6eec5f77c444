// A row in the user's own terms -> the network's features, as the preprocessor does it.
import { interpolate, normalShare } from "./arithmetic.js";

// `row` maps a column to its value (null: missing), or holds `pixels` (H, W, C).
export function features(row, fitted) {
  if (fitted.image) return imageFeatures(row.pixels, fitted);
  const parts = [];
  if (fitted.numbers) {
    parts.push(
      ...scaleNumbers(
        fitted.numbers,
        fitted.numbers.names.map((name) => row[name]),
      ),
    );
  }
  for (const item of fitted.dates) parts.push(...dateFeatures(item, row[item.name]));
  for (const item of fitted.categories) parts.push(...categoryFeatures(item, row[item.name]));
  return Float64Array.from(parts, Math.fround); // networks read 32-bit numbers
}

function imageFeatures(pixels, fitted) {
  const [height, width, channels] = [...fitted.image_shape, 1],
    area = height * width;
  return Float64Array.from({ length: area * channels }, (_, place) => {
    const channel = Math.floor(place / area),
      value = pixels[(place % area) * channels + channel];
    const at = fitted.image.center.length > 1 ? channel : 0;
    const centred = Math.fround(value - Math.fround(fitted.image.center[at]));
    return Math.fround(centred / Math.fround(fitted.image.scale[at]));
  });
}

function scaleNumbers(numbers, values) {
  const filled = values.map((value, place) => value ?? numbers.fill[place]),
    result = [];
  for (const part of numbers.scaled) {
    part.columns.forEach((column, place) => {
      result[column] = SCALERS[part.kind](part, place, filled[column]);
    });
  }
  const gaps = numbers.indicators.map((name) =>
    values[numbers.names.indexOf(name)] === null ? 1 : 0,
  );
  return [...result, ...gaps];
}

const SCALERS = {
  affine: (part, place, x) => {
    const z = (x - part.center[place]) / part.scale[place];
    return part.clip ? z / Math.sqrt(1 + (z / 3) ** 2) : z;
  },
  power: (part, place, x) => {
    const power = part.power[place];
    const y = x >= 0 ? boxCox(x, power) : -boxCox(-x, 2 - power);
    return (y - part.center[place]) / part.scale[place];
  },
  quantile: (part, place, x) => {
    const share = shareBelow(x, part.quantiles[place]),
      outermost = 1e-7 - 2 ** -52;
    return part.output === "uniform"
      ? share
      : normalQuantile(Math.min(Math.max(share, outermost), 1 - outermost));
  },
};

function boxCox(x, power) {
  const log = Math.log1p(x);
  return Math.abs(power) < 1e-12 ? log : Math.expm1(Math.min(log * power, 700)) / power;
}

function shareBelow(x, quantiles) {
  const low = quantiles[0],
    high = quantiles.at(-1);
  if (low === high && x === high) return 0.5;
  if (x <= low) return 0;
  if (x >= high) return 1;
  const last = quantiles.length - 1;
  const ranks = quantiles.map((_, place) => place / last);
  const mirrored = quantiles.map((value) => -value).reverse();
  const above = interpolate(-x, mirrored, ranks.map((rank) => -rank).reverse());
  return 0.5 * (interpolate(x, quantiles, ranks) - above);
}

// The inverse of the distribution function, by Newton's method from both sides of a bracket.
export function normalQuantile(share) {
  if (share > 0.5) return -normalQuantile(1 - share);
  let low = -6,
    high = 0;
  for (let turn = 0; turn < 60; turn++) {
    const middle = (low + high) / 2;
    if (tail(middle) < share) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

// The normal distribution function for z <= 0, by a continued fraction where 1 + erf would cancel.
function tail(z) {
  if (z > -2) return normalShare(z);
  let fraction = 0;
  for (let n = 80; n > 0; n--) fraction = n / (-z + fraction);
  return Math.exp((-z * z) / 2) / Math.sqrt(2 * Math.PI) / (-z + fraction);
}

const DAY = 86400000;

function dateFeatures(item, days) {
  const moment = days === null ? null : new Date(Math.round(days * DAY));
  const values = item.parts.names.map((part) => (moment ? PARTS[part](moment, days) : null));
  const named = { ...item.parts, indicators: [] };
  const result = scaleNumbers(named, values);
  if (item.parts.indicators.length) result.push(moment ? 0 : 1);
  for (const cycle of item.cycles) {
    const angle = moment ? 2 * Math.PI * CYCLES[cycle](moment, days) : 0;
    result.push(...(moment ? [Math.cos(angle), Math.sin(angle)] : [0, 0]));
  }
  return result;
}

// By way of whole microseconds: an hour that is off in the last digit may rank elsewhere.
const hourOf = (days) => {
  const moment = Math.round(days * DAY * 1000),
    ofDay = DAY * 1000;
  return (((moment % ofDay) + ofDay) % ofDay) / 3.6e9;
};
const weekdayOf = (moment) => (moment.getUTCDay() + 6) % 7;
const PARTS = {
  days: (moment, days) => days,
  year: (moment) => moment.getUTCFullYear(),
  month: (moment) => moment.getUTCMonth() + 1,
  day: (moment) => moment.getUTCDate(),
  weekday: weekdayOf,
  hour: (moment, days) => hourOf(days),
};
const CYCLES = {
  year: (moment) => Math.floor((moment - Date.UTC(moment.getUTCFullYear(), 0, 1)) / DAY) / 366,
  week: (moment) => weekdayOf(moment) / 7,
  day: (moment, days) => hourOf(days) / 24,
};

function categoryFeatures(item, value) {
  const hasMore = item.rare || item.encoding !== "one_hot";
  const found = item.levels.indexOf(value),
    place = found < 0 && hasMore ? item.levels.length : found;
  if (item.encoding === "code") return [place];
  if (item.values?.length) return item.values[place];
  return Array.from({ length: item.levels.length + hasMore }, (_, level) =>
    level === place ? 1 : 0,
  );
}

// The user's target -> the standardised number that the network learns.
export function standardTarget(actual, fitted) {
  const curve = fitted.target_curve;
  let value = actual;
  if (curve?.name === "log") value = Math.log(actual + curve.offset);
  if (curve?.name === "quantile") {
    value = SCALERS.quantile({ quantiles: [curve.quantiles], output: "normal" }, 0, actual);
  }
  return (value - fitted.target_center) / fitted.target_scale;
}

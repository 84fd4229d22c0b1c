/** The texts of the page, in the browser's language. */

import en from "./locales/en.js";
import zh from "./locales/zh.js";

/** @typedef {keyof typeof en} Key */

const known = navigator.languages.map((tag) => tag.toLowerCase().split("-")[0]).find((tag) => tag === "en" || tag === "zh");
const texts = known === "zh" ? zh : en;

export const language = texts.language;

/**
 * @param {Key} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (whole, name) => String(values[name] ?? whole));
}

/** @param {number} seconds */
export function duration(seconds) {
  return seconds < 90 ? t("seconds", { count: Math.ceil(seconds) }) : t("minutes", { count: Math.ceil(seconds / 60) });
}

/**
 * A time of day, with the date unless it is today.
 * @param {string} iso
 */
export function moment(iso) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return iso;
  const isToday = date.toDateString() === new Date().toDateString();
  return date.toLocaleString(language, isToday ? { timeStyle: "short" } : { dateStyle: "medium", timeStyle: "short" });
}

/** The syntax of cron expressions; the arithmetic of their slots is not here. */

interface Field {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly names?: readonly string[];
}

const SECOND: Field = { name: "second", min: 0, max: 59 };
const FIVE_FIELDS: readonly Field[] = [
  { name: "minute", min: 0, max: 59 },
  { name: "hour", min: 0, max: 23 },
  { name: "day of month", min: 1, max: 31 },
  {
    name: "month",
    min: 1,
    max: 12,
    names: ["", "JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"],
  },
  // 0 and 7 are both Sunday.
  { name: "day of week", min: 0, max: 7, names: ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"] },
];

const NICKNAMES = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
const MAX_CRON_CHARACTERS = 200;
const DAYS_IN_MONTH = [0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** What is wrong with a 5- or 6-field expression or `@nickname`, or undefined. */
export function cronProblem(expression: string): string | undefined {
  if (expression.length > MAX_CRON_CHARACTERS) {
    return `has ${expression.length} characters, the limit is ${MAX_CRON_CHARACTERS}`;
  }
  if (expression.startsWith("@")) {
    return NICKNAMES.includes(expression) ? undefined : `is not one of ${NICKNAMES.join(", ")}`;
  }
  const parts = expression.trim().split(/ +/);
  if (parts.length !== 5 && parts.length !== 6) {
    return `has ${parts.length} field${parts.length === 1 ? "" : "s"}, it needs 5 (minute hour day month weekday) or 6 (with seconds first)`;
  }
  const fields = parts.length === 6 ? [SECOND, ...FIVE_FIELDS] : FIVE_FIELDS;
  for (const [index, field] of fields.entries()) {
    const part = parts[index] ?? "";
    for (const item of part.split(",")) {
      const problem = itemProblem(item, field);
      if (problem !== undefined) return `has a bad ${field.name}: ${problem}`;
    }
  }
  const [day = "", month = "", weekday = ""] = parts.slice(-3);
  return neverFires(day, month, weekday) ? "names a day that no month has" : undefined;
}

function itemProblem(item: string, field: Field): string | undefined {
  const isDay = field.name === "day of month";
  const isWeekday = field.name === "day of week";
  if (item === "?" && (isDay || isWeekday)) return undefined;
  if (isDay && /^(L|LW)$/.test(item)) return undefined;
  const nearest = isDay ? /^([0-9]+)W$/.exec(item)?.[1] : undefined;
  if (nearest !== undefined) return valueProblem(nearest, field);
  const nth = isWeekday ? /^([0-9]|[A-Za-z]{3})(?:#([1-5L])|L)$/.exec(item)?.[1] : undefined;
  if (nth !== undefined) return valueProblem(nth, field);

  const [range = "", step, ...more] = item.split("/");
  if (more.length > 0) return 'more than one "/"';
  if (step !== undefined) {
    if (!/^[0-9]{1,2}$/.test(step) || Number(step) < 1 || Number(step) > field.max) {
      return `a step must be 1 to ${field.max}`;
    }
    // croner and crontab disagree on what `5/10` means; a range says it.
    if (range !== "*" && !range.includes("-")) return 'a step needs "*" or a range before it';
  }
  if (range === "*") return undefined;
  const ends = range.split("-");
  if (ends.length > 2) return "a range has two ends";
  for (const end of ends) {
    const problem = valueProblem(end, field);
    if (problem !== undefined) return problem;
  }
  const [from, to] = ends.map((end) => valueOf(end, field));
  return from !== undefined && to !== undefined && from > to ? "the range ends before it begins" : undefined;
}

function valueProblem(text: string, field: Field): string | undefined {
  const value = valueOf(text, field);
  if (value !== undefined && value >= field.min && value <= field.max) return undefined;
  const names = field.names === undefined ? "" : ` or a name such as ${field.names[1]}`;
  return `a value must be ${field.min} to ${field.max}${names}`;
}

function valueOf(text: string, field: Field): number | undefined {
  if (/^[0-9]{1,2}$/.test(text)) return Number(text);
  const index = text === "" ? -1 : (field.names?.indexOf(text.toUpperCase()) ?? -1);
  return index < 0 ? undefined : index;
}

/** Only the plain case, `30 2`: lists, ranges and weekdays are left to the scheduler. */
function neverFires(day: string, month: string, weekday: string): boolean {
  const months = FIVE_FIELDS[3];
  if (!/^[0-9]+$/.test(day) || (weekday !== "*" && weekday !== "?") || months === undefined) return false;
  return month
    .split(",")
    .map((text) => valueOf(text, months))
    .every((value) => value !== undefined && Number(day) > (DAYS_IN_MONTH[value] ?? 31));
}

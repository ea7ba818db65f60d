/** A task's id: its folder's path below the tasks root. */
import { relative, sep } from "node:path";
import { AppError } from "../base/error.ts";
import { quote } from "../base/text.ts";

const MAX_TASK_ID_CHARACTERS = 200;

const SEGMENT = /^[a-z0-9][a-z0-9_-]*$/;

/** What is wrong with `id`, or undefined when it is a task id. */
export function taskIdProblem(id: string): string | undefined {
  if (id.length > MAX_TASK_ID_CHARACTERS) {
    return `has ${id.length} characters, the limit is ${MAX_TASK_ID_CHARACTERS}`;
  }
  for (const segment of id.split("/")) {
    if (segment === "") return "has an empty segment";
    if (!SEGMENT.test(segment)) {
      return `has the segment ${quote(segment)}, each must be lower-case letters, digits, "_" and "-" and begin with a letter or digit`;
    }
  }
  // Ids of runs begin so, and both may stand in the same place of a command.
  return id.startsWith("run_") ? 'begins with "run_", which is kept for runs' : undefined;
}

/** The same for `notify/*`: a segment may also be `*` or `**`. */
export function taskGlobProblem(glob: string): string | undefined {
  const literal = glob
    .split("/")
    .map((segment) => (segment === "*" || segment === "**" ? "x" : segment))
    .join("/");
  return taskIdProblem(literal);
}

/** Throws `TASK_ID_INVALID` when the folder is not below the root or its name can not be an id. */
export function idFromFolder(root: string, folder: string): string {
  const path = relative(root, folder);
  const id = sep === "/" ? path : path.replaceAll(sep, "/");
  const problem =
    id === "" ? "is the tasks root itself" : id.startsWith("..") ? "is not below the tasks root" : undefined;
  const wrong = problem ?? taskIdProblem(id);
  if (wrong === undefined) return id;
  throw new AppError("TASK_ID_INVALID", `the task folder ${quote(folder, 200)} ${wrong}`, {
    hints: ["Rename the folder; its path below the tasks root is the task's id"],
  });
}

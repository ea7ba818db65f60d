/** `writ init`: a project that runs, checks in an editor, and overwrites nothing. */
import { lstat, mkdir, open, readFile, unlink } from "node:fs/promises";
import { dirname, join, relative, resolve } from "node:path";
import { quote } from "../../base/text.ts";
import { configJsonSchema } from "../../server/config.ts";
import { taskJsonSchema } from "../../manifest/json-schema.ts";
import { usageError } from "../args.ts";
import type { Command } from "../command.ts";
import { packageFile } from "../package.ts";
import { unreadable } from "../read.ts";

const PATH_MAX_CHARACTERS = 400;

export const init: Command = {
  name: "init",
  summary: "Makes a project that runs: writ.yaml, one example task, and what an editor needs.",
  operands: ["[dir]"],
  options: {},
  notes: [
    "An existing file is never changed: one that is as it would be made is left alone, and if another is in",
    "the way nothing is written at all.",
  ],
  examples: ["writ init", "writ init my-tasks && cd my-tasks && writ run hello"],
  exits: [],
  async run({ operands: [dir = "."] }, { terminal, cwd }) {
    const folder = resolve(cwd, dir);
    const files = await projectFiles();
    const states = await Promise.all(
      files.map(async (file) => ({ file, state: await stateOf(folder, file) })),
    );
    const inTheWay = states.filter(({ state }) => state === "different").map(({ file }) => file.path);
    if (inTheWay.length > 0) {
      throw usageError(
        `could not make a project in ${quote(folder, PATH_MAX_CHARACTERS)}: it has other files of these names, ` +
          `which are left as they are: ${inTheWay.join(", ")}`,
        "name an empty folder, or move the files away; nothing was written",
      );
    }
    const created: string[] = [];
    const kept: string[] = [];
    for (const { file, state } of states) {
      if (state === "absent") await create(join(folder, file.path), file.text);
      (state === "absent" ? created : kept).push(file.path);
    }
    if (terminal.mode.json) {
      terminal.json({ dir: folder, created, kept });
      return 0;
    }
    for (const path of created) terminal.line(`created ${path}`);
    for (const path of kept) terminal.line(`kept    ${path}`);
    const away = relative(cwd, folder);
    const steps = away === "" ? NEXT_STEPS : [`cd ${away.startsWith("..") ? folder : away}`, ...NEXT_STEPS];
    for (const line of ["", "next:", ...steps.map((step) => `  ${step}`)]) terminal.note(line);
    return 0;
  },
};

interface ProjectFile {
  readonly path: string;
  readonly text: string;
  /** Whether an existing file will do; left out = only the same text. */
  suffices?(text: string): boolean;
}

async function projectFiles(): Promise<readonly ProjectFile[]> {
  return [
    { path: "writ.yaml", text: WRIT_YAML },
    { path: ".gitignore", text: ".writ/\nnode_modules/\n", suffices: (text) => /^\/?\.writ\/?$/m.test(text) },
    { path: "tsconfig.json", text: TSCONFIG },
    { path: "writ.d.ts", text: ambientModule(await packageFile("sdk/index.ts")) },
    // Beside the sources rather than in .writ/: a fresh clone is to have them, and .writ/ is data, closed to
    // others and not in git.
    { path: "schemas/task.schema.json", text: jsonText(taskJsonSchema()) },
    { path: "schemas/config.schema.json", text: jsonText(configJsonSchema()) },
    { path: "tasks/hello/task.yaml", text: TASK_YAML },
    { path: "tasks/hello/task.ts", text: TASK_TS },
  ];
}

async function stateOf(folder: string, file: ProjectFile): Promise<"absent" | "good" | "different"> {
  const path = join(folder, file.path);
  try {
    // A link is in the way whatever it leads to.
    if (!(await lstat(path)).isFile()) return "different";
    const text = await readFile(path, "utf8");
    return (file.suffices?.(text) ?? text === file.text) ? "good" : "different";
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "absent";
    throw unreadable(error, quote(path, PATH_MAX_CHARACTERS));
  }
}

/** Never opens what exists. A file that could not be finished is removed, so that a second try finds none. */
async function create(path: string, text: string): Promise<void> {
  try {
    await mkdir(dirname(path), { recursive: true });
    await using file = await open(path, "wx");
    try {
      await file.writeFile(text);
    } catch (error) {
      await unlink(path);
      throw error;
    }
  } catch (error) {
    throw unreadable(error, quote(path, PATH_MAX_CHARACTERS));
  }
}

function jsonText(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}

/** The SDK's types under the name authors import, so that nothing has to be installed. */
function ambientModule(source: string): string {
  const body = source
    .split("\n")
    .filter((line) => !line.trimStart().startsWith("// oxlint-disable"))
    .map((line) => (line === "" ? "" : `  ${line}`))
    .join("\n");
  return `// Made by \`writ init\` from writ's own types; an editor reads it for \`import type { Task } from "writ"\`.\ndeclare module "writ" {\n${body}}\n`;
}

const NEXT_STEPS = [
  "writ run hello                      run the example",
  "writ run hello -p name=Ada          with a parameter",
  "writ explain hello                  what it may do",
  "writ secrets set my_token           store a secret; declare it in task.yaml to use it",
  "writ check                          look for mistakes",
];

const WRIT_YAML = `# yaml-language-server: $schema=schemas/config.schema.json
# What this project is made of. Every key is optional, and an unknown one is an error.
tasks: ./tasks       # tasks are the folders with a task.yaml below this one
data_dir: ./.writ    # runs and secrets; not for git
`;

const TASK_YAML = `# yaml-language-server: $schema=../../schemas/task.schema.json
description: Says hello.
params:
  name: world        # a parameter with its default: writ run hello -p name=Ada
permissions:
  env:               # the whole environment of the task; what is not listed here does not exist for it
    - { name: GREETING, value: Hello }
    # - { name: API_TOKEN, secret: api_token }     # stored with: writ secrets set api_token
`;

const TASK_TS = `import type { Task } from "writ";

export default (async ({ env, params, log }) => {
  const greeting = \`\${env.GREETING}, \${params.name}!\`;
  log.info(greeting);
  return { greeting };
}) satisfies Task;
`;

/** The web platform without a page: what the isolate has, near enough, and no Node. */
const TSCONFIG = `{
  "compilerOptions": {
    "target": "es2024",
    "lib": ["es2024", "webworker"],
    "types": [],
    "module": "esnext",
    "moduleResolution": "bundler",
    "moduleDetection": "force",
    "strict": true,
    "noEmit": true,
    "skipLibCheck": true,
    "allowImportingTsExtensions": true,
    "resolveJsonModule": true
  },
  "include": ["writ.d.ts", "tasks"]
}
`;

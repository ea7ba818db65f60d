import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { inContainer } from "../../../store/vault/container.ts";
import { temporaryFolder } from "./harness.ts";

test("inContainer() is true, when an engine left its mark", () => {
  const marks: [string, string][] = [
    [".dockerenv", ""],
    ["run/.containerenv", ""],
    ["run/systemd/container", "lxc"],
    ["proc/1/cgroup", "0::/system.slice/docker-0a1b.scope\n"],
    ["proc/self/cgroup", "11:memory:/kubepods/burstable/pod1\n"],
  ];
  for (const [path, text] of marks) {
    using root = temporaryFolder();
    mkdirSync(join(root.path, path, ".."), { recursive: true });
    writeFileSync(join(root.path, path), text);
    assert.equal(inContainer({}, root.path), true, path);
  }
  using root = temporaryFolder();
  assert.equal(inContainer({ KUBERNETES_SERVICE_HOST: "10.0.0.1" }, root.path), true);
  assert.equal(inContainer({ container: "podman" }, root.path), true);
});

test("inContainer() is false on an ordinary machine", () => {
  using root = temporaryFolder();
  mkdirSync(join(root.path, "proc/1"), { recursive: true });
  writeFileSync(join(root.path, "proc/1/cgroup"), "0::/init.scope\n");
  assert.equal(inContainer({ HOME: "/home/docker" }, root.path), false);
});

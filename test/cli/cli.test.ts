// The parts of the command line that need no device: options, progress, pictures.

import { describe, expect, it } from "vitest";
import {
  type Command,
  helpOf,
  integerOption,
  pairOptions,
  parseOptions,
  positiveOption,
  UsageError,
} from "../../src/cli/options.js";
import { drawPictures } from "../../src/cli/picture.js";
import { Progress } from "../../src/cli/progress.js";

const command: Command = {
  name: "walk",
  summary: "go somewhere",
  options: {
    steps: { type: "string", value: "N", help: "how many" },
    slowly: { type: "boolean", help: "take your time" },
  },
  run: async () => 0,
};

describe("options", () => {
  it("are read in both spellings", () => {
    expect(parseOptions(command, ["--steps", "3", "--slowly"])).toEqual({ steps: "3", slowly: true });
    expect(parseOptions(command, ["--steps=-3"])).toEqual({ steps: "-3" });
    expect(parseOptions(command, ["--help"])).toBeUndefined();
  });

  it.each([
    [["--stpes", "3"], "There is no option --stpes."],
    [["-s"], "There is no option -s."],
    [["home"], '"home" was not expected.'],
    [["--steps"], "--steps needs a value: --steps N."],
    [["--steps="], "--steps needs a value: --steps N."],
    [["--slowly=yes"], "--slowly takes no value."],
  ])("used wrongly are answered in plain words: %j", (args, message) => {
    expect(() => parseOptions(command, args)).toThrow(UsageError);
    expect(() => parseOptions(command, args)).toThrow(`${message} \`brisc walk --help\` lists the options.`);
  });

  it("that are numbers are checked", () => {
    expect(integerOption({}, "steps", 7, 1)).toBe(7);
    expect(integerOption({ steps: "12" }, "steps", 7, 1)).toBe(12);
    for (const steps of ["0", "1.5", "x", "Infinity"]) {
      expect(() => integerOption({ steps }, "steps", 7, 1)).toThrow("--steps must be a whole number");
    }
    expect(positiveOption({ steps: "1e-3" }, "steps", 7)).toBe(0.001);
    expect(() => positiveOption({ steps: "-1" }, "steps", 7)).toThrow("--steps must be a number above 0");
  });

  it("and an argument, and pairs given several times", () => {
    const look: Command = {
      ...command,
      name: "look",
      argument: { value: "PLACE", help: "where" },
      options: { at: { type: "string", many: true, value: "NAME=N", help: "what" } },
    };
    const values = parseOptions(look, ["--at", "x=1", "here", "--at", "y:0=2"])!;
    expect(values).toEqual({ argument: "here", at: ["x=1", "y:0=2"] });
    expect([...pairOptions(values, "at")]).toEqual([
      ["x", "1"],
      ["y:0", "2"],
    ]);
    expect(() => pairOptions({ at: ["x"] }, "at")).toThrow(
      '--at takes a name and a value, such as x=1, not "x"',
    );
    expect(() => parseOptions(look, [])).toThrow(
      "PLACE, where, is missing. `brisc look --help` lists the options.",
    );
    expect(() => parseOptions(look, ["a", "b"])).toThrow('"b" was not expected.');
    expect(helpOf(look)).toContain("Usage: brisc look PLACE [options]\n  PLACE: where");
  });

  it("are listed by the help", () => {
    expect(helpOf(command)).toBe(
      "brisc walk: go somewhere\n\nOptions:\n  --steps N  how many\n  --slowly   take your time\n  --help     print this help",
    );
  });
});

describe("the progress line", () => {
  const record = (stream: { isTTY?: boolean; columns?: number }, ...done: number[]) => {
    let text = "";
    const progress = new Progress({ ...stream, write: (part: string) => (text += part) }, 100);
    for (const at of done) if (progress.isDue(at, at * 1000)) progress.update(at, `at ${at}`, at * 1000);
    progress.end();
    return text;
  };

  it("is a line every tenth of the way where there is no terminal", () => {
    expect(record({}, 1, 5, 10, 11, 19, 35, 100)).toBe(" 10 %  at 10\n 35 %  at 35\n100 %  at 100\n");
  });

  it("is redrawn in place on a terminal, and never wraps", () => {
    const text = record({ isTTY: true, columns: 40 }, 50, 100);
    expect(text.split("\r\x1b[2K").slice(1)).toEqual([
      "████████████░░░░░░░░░░░░  50 %  at 50",
      "████████████████████████ 100 %  at 100\n",
    ]);
    expect(record({ isTTY: true, columns: 10 }, 50)).toBe("\r\x1b[2K█████████\n");
  });
});

it("pictures stand side by side, as many as fit", () => {
  const pixels = new Uint8Array(784);
  for (let i = 0; i < 28; i++) pixels[i * 28 + i] = 255;
  const drawn = drawPictures(
    [
      { pixels, caption: "one" },
      { pixels, caption: "two" },
      { pixels, caption: "three" },
    ],
    28,
    50,
  ).split("\n");
  expect(drawn.length).toBe(11);
  expect(drawn[0]).toBe(`▀▄${" ".repeat(21)}▀▄`);
  expect(drawn[10]).toBe(`one${" ".repeat(20)}two`);
});

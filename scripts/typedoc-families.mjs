// A plugin of typedoc: on the page of Tensor methods stand under the family in whose file they are written.

import { basename } from "node:path";
import { Application, Comment, CommentTag, Converter, ReflectionKind } from "typedoc";

const MEMBERS = ReflectionKind.Method | ReflectionKind.Property | ReflectionKind.Accessor;

/** Headings in the order of the page, and the files of src/tensor whose methods stand under each. */
const FAMILIES = {
  "What a tensor is, reading, gradients": ["core", "tensor"],
  Creation: ["creation", "ranges"],
  "Random numbers": ["sampling", "random"],
  "Arithmetic, comparison, logic": ["operands", "elementwise", "arithmetic"],
  "Functions of numbers": ["functions"],
  "Shape and order": ["movement", "arrangement", "diagonals"],
  Indexing: ["indexing"],
  "Writing and scattering": ["assignment"],
  Reductions: ["reduction"],
  "Running sums and differences": ["scan"],
  "Sorting and searching": ["sorting"],
  Statistics: ["statistics"],
  Products: ["linear", "products"],
  "Packed integers": ["packing"],
  "Linear algebra": ["factorisation"],
  "Fourier transforms": ["fourier"],
  Activations: ["activation"],
  Convolutions: ["convolution"],
  Pooling: ["pooling", "adaptive-pooling"],
  Resampling: ["resampling"],
  Normalisation: ["normalisation"],
  Losses: ["loss", "class-loss", "ctc"],
};
const headings = new Map(
  Object.entries(FAMILIES).flatMap(([heading, files]) => files.map((file) => [file, heading])),
);

function categorise(reflection, category) {
  reflection.comment ??= new Comment();
  reflection.comment.blockTags.push(new CommentTag("@category", [{ kind: "text", text: category }]));
}

export function load(app) {
  app.on(Application.EVENT_BOOTSTRAP_END, () => app.options.setValue("categoryOrder", Object.keys(FAMILIES)));
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, (context) => {
    for (const member of context.project.getReflectionsByKind(MEMBERS)) {
      if (member.parent?.name !== "Tensor") continue;
      const file = context.getSymbolFromReflection(member)?.declarations?.[0].getSourceFile().fileName;
      if (!file?.includes("/src/tensor/")) continue;
      const heading = headings.get(basename(file, ".ts"));
      if (heading === undefined)
        app.logger.warn(`no heading in scripts/typedoc-families.mjs for ${file}, of Tensor.${member.name}`);
      const parts = member.signatures ?? [member.getSignature ?? member];
      for (const part of parts) categorise(part, heading ?? "Other");
    }
  });
}

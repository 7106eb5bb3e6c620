// Saves a network's weights as a .safetensors file and loads them into another one.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadSafetensors, nn, saveSafetensors, Tensor } from "brisc";

class Network {
  readonly hidden = new nn.Linear(4, 8);
  readonly last = new nn.Linear(8, 2);

  forward(x: Tensor): Tensor {
    return this.last.forward(this.hidden.forward(x).gelu());
  }
}

const folder = mkdtempSync(join(tmpdir(), "brisc-example-"));
const file = join(folder, "network.safetensors");
const trained = new Network();
await saveSafetensors(file, nn.stateDict(trained));

const restored = new Network();
nn.loadStateDict(restored, await loadSafetensors(file));
rmSync(folder, { recursive: true });

const x = Tensor.ones([1, 4]);
console.log(await trained.forward(x).data(), await restored.forward(x).data());

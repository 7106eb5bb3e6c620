// PyTorch's reference values for scripts/fixtures/fourier.py.

import { type IstftOptions, type StftOptions, Tensor } from "../../src/index.js";
import { conformance } from "./torch.js";

await conformance("fourier", {
  fftfreq: (_, [n, d]) => Tensor.fftfreq(n as number, d as number),
  rfftfreq: (_, [n, d]) => Tensor.rfftfreq(n as number, d as number),
  stft: ([x, window], [nFft, options]) => x.stft(nFft as number, { window, ...(options as StftOptions) }),
  istft: ([x, window], [nFft, options]) => x.istft(nFft as number, { window, ...(options as IstftOptions) }),
});

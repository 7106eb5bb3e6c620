// brisc/datasets: datasets in files, for Node. What they give are datasets for a DataLoader.

export { type Cifar, type Cifar100Options, loadCifar10, loadCifar100 } from "./cifar.js";
export { type CsvOptions, readCsv } from "./csv.js";
export type { ColumnType } from "./csv-column.js";
export { type IdxArray, parseIdx, readIdx } from "./idx.js";
export { type ImageBatch, type ImageSample, LabelledImages } from "./images.js";
export { loadFashionMnist, loadMnist, type Mnist, type MnistOptions, type MnistSplit } from "./mnist.js";
export { type Column, Table, type TableBatch, type TableRow } from "./table.js";

import { testModels } from "./measurement.ts";

testModels("small models", {
  resnet8_cifar10: ["float", "int8"],
  resnet56_cifar10: ["float", "int8"],
  kws_dscnn: ["float", "int8"],
  mnist_cntk: ["float", "int8"],
  vww_mobilenetv1_025: [],
  toyadmos_ae: [],
  kwt1: ["float", "int8"],
  charrnn_bronte: ["float", "int8"],
  silero_vad_16k: ["SQNR"],
  dtln_1: ["SQNR"],
  dtln_2: ["SQNR"],
});

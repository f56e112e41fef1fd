import { testModels } from "./measurement.ts";

testModels("classifiers of whole pictures", {
  mobilenetv1_075_224: ["float", "int8"],
  mobilenetv2_100_deq: ["float", "int8"],
  squeezenet11: ["float", "int8"],
  tiny_darknet: ["float", "int8"],
});

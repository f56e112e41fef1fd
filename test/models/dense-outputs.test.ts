import { testModels } from "./measurement.ts";

testModels("models of pixels and boxes", {
  espcn_x3: ["float", "int8"],
  yunet_n_320: ["float", "faces"],
  ultraface_rfb320: ["float", "faces"],
  yolox_nano: ["float", "int8"],
  sinet_portrait: ["float", "int8"],
});

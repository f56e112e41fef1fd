import { testModels } from "./measurement.ts";

testModels("models of pixels and boxes", {
  espcn_x3: ["float"],
  yunet_n_320: ["float"],
  ultraface_rfb320: ["float"],
  yolox_nano: ["float"],
  sinet_portrait: [],
});

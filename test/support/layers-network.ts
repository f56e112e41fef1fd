/** The text of a small network in which every kind of layer with weights stands once. */

/** Dense, depthwise, grouped, strided and dilated convolutions, a branch, a flattened image, and both fully connected operators. */
export const EVERY_LAYER = `input x float32[1,4,9,9]
%a ? = Conv(%x, <w1 float32[16,4,3,3]>, <b1 float32[16]>) pads=[1,1,1,1] strides=[2,2]
%r ? = Relu(%a)
%b ? = Conv(%r, <w2 float32[16,1,3,3]>, <b2 float32[16]>) group=16 pads=[1,1,1,1]
%c ? = Conv(%b, <w3 float32[16,8,1,1]>, <b3 float32[16]>) group=2
%s ? = Add(%c, %r)
%d ? = Conv(%s, <w4 float32[6,16,2,2]>) dilations=[2,2]
%f ? = Flatten(%d)
%g ? = Gemm(%f, <w5 float32[54,12]>, <b5 float32[12]>)
%h ? = Relu(%g)
%y ? = MatMul(%h, <w6 float32[12,5]>)
output %y
`;

"""The model of the bench as a custom runtime of MLServer."""

import json

from mlserver import MLModel
from mlserver.codecs import StringCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Scorer(MLModel):
    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (text,) = StringCodec.decode_input(payload.inputs[0])
        record = json.loads(text)
        record["z"] = record["x"] * record["y"]
        output = StringCodec.encode_output("output", [json.dumps(record)])
        return InferenceResponse(model_name=self.name, outputs=[output])

"""The model of the bench: ``bentoml serve bento_service:Scorer``."""

import bentoml


@bentoml.service(traffic={"timeout": 60})
class Scorer:
    @bentoml.api
    def score(self, record: dict) -> dict:
        record["z"] = record["x"] * record["y"]
        return record

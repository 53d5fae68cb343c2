"""Groups of Drain3 with its defaults: lists of lines in, groups and seconds out, both as JSON."""
import json
import logging
import sys
import time

from drain3 import TemplateMiner
from drain3.template_miner_config import TemplateMinerConfig

logging.disable(logging.CRITICAL)


def mine(lines):
    miner = TemplateMiner(config=TemplateMinerConfig())
    began = time.perf_counter()
    groups = [miner.add_log_message(line)["cluster_id"] for line in lines]
    return {"groups": groups, "seconds": time.perf_counter() - began}


json.dump([mine(lines) for lines in json.load(sys.stdin)], sys.stdout)

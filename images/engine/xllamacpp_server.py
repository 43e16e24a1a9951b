#!/usr/bin/python3
"""llama-server's command line on the engine inside the xllamacpp wheel: the fallback of tools/prepare.sh.

Knows the options that Millrace's serving module and the adapter's conformance suite pass, and no others. Expects the unpacked wheel in ../lib.
"""
import argparse
import os
import signal
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.realpath(__file__)), "..", "lib"))


def parse_args(argv):
    parser = argparse.ArgumentParser(prog="llama-server", allow_abbrev=False)
    parser.add_argument("--version", action="store_true")
    parser.add_argument("--host", help="path of the unix socket, ending in .sock")
    parser.add_argument("-m", "--model")
    parser.add_argument("--alias", default="")
    for names in (("-t", "--threads"), ("--threads-batch",), ("-np", "--parallel"), ("-c", "--ctx-size"),
                  ("-b", "--batch-size"), ("-ub", "--ubatch-size")):
        parser.add_argument(*names, type=int, default=0)
    parser.add_argument("--cache-ram", type=int, default=None)
    parser.add_argument("--poll", type=int, default=0)
    parser.add_argument("--sleep-idle-seconds", type=int, default=-1)
    parser.add_argument("--embeddings", action="store_true")
    parser.add_argument("--pooling", default="")
    parser.add_argument("--jinja", action="store_true")
    parser.add_argument("--chat-template-file")
    parser.add_argument("--no-ui", action="store_true")
    parser.add_argument("--offline", action="store_true")
    return parser.parse_args(argv)


def params_of(args, xllamacpp):
    params = xllamacpp.CommonParams()
    params.model.path = args.model
    params.hostnames = [args.host]
    params.ui = False
    params.offline = True
    params.use_jinja = True
    if args.alias:
        params.model_alias = {args.alias}
    for name, value in (("n_parallel", args.parallel), ("n_ctx", args.ctx_size), ("n_batch", args.batch_size),
                        ("n_ubatch", args.ubatch_size), ("cache_ram_mib", args.cache_ram)):
        if value:
            setattr(params, name, value)
    if args.chat_template_file:
        with open(args.chat_template_file) as file:
            params.chat_template = file.read()
    params.sleep_idle_seconds = args.sleep_idle_seconds
    if args.cache_ram == 0:
        params.cache_ram_mib = 0
    if args.threads:
        params.cpuparams.n_threads = args.threads
        params.cpuparams_batch.n_threads = args.threads_batch or args.threads
    if args.embeddings:
        params.embedding = True
        params.pooling_type = getattr(xllamacpp.llama_pooling_type,
                                      "LLAMA_POOLING_TYPE_" + (args.pooling or "mean").upper())
    return params


def main():
    args = parse_args(sys.argv[1:])
    import xllamacpp
    if args.version:
        print("xllamacpp", xllamacpp.__version__)
        return 0
    if not args.host or not args.host.endswith(".sock") or not args.model:
        print("needs --model FILE and --host PATH.sock", file=sys.stderr)
        return 2
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    server = xllamacpp.Server(params_of(args, xllamacpp))
    print("listening on", server.listening_address, flush=True)
    while not stop.wait(1.0):
        pass
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main())

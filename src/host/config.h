// Config: the settings of an installation: defaults, then HOME/config.toml, then overrides from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace millrace::host {

/// Every member shows its key in config.toml ("[section] key") and its default.
struct Config {
  std::string home;
  struct {
    std::string address = "127.0.0.1:8080";  // HOST:PORT; port 0 picks a free one
    std::string tls_cert, tls_key;           // PEM files; both or none
  } listen;
  struct {
    std::string name = "local";
    std::string zone = "FR";  // electricity zone
    double pue = 1.0;         // power usage effectiveness, at least 1
  } site;
  struct {
    // Of the whole server; 0: derived from its cores (energy model).
    double idle_w = 0, max_w = 0;
  } node;
  struct {
    std::string root;             // root file system with the engine; empty: the prepared one
    std::string path;             // an engine program to run instead of the prepared one
    std::int64_t threads = 0;     // of each replica; 0: chosen from the cores
    std::int64_t slots = 4;       // requests that a replica serves at once
    std::int64_t context = 8192;  // tokens, divided among the slots
  } engine;
  struct {
    std::int64_t connections = 0;        // 0: what the open file limit allows
    std::int64_t body_bytes = 16 << 20;  // largest request body
    std::int64_t journal_slots = 16384;  // requests in work or not yet drained, per gateway
  } limits;
  struct {
    std::int64_t max_stale_s = 24 * 3600;  // a gateway cut off from the server admits nothing after it
  } policy;
  struct {
    std::string mounts;               // host folders that jobs may mount: "/srv/data, /srv/out:rw"
    std::int64_t keep_days = 30;      // after its end a job is forgotten, with its folder
    std::int64_t keep_most = 100000;  // of those that are over; the oldest go first
  } jobs;
  struct {
    std::string level = "info";  // debug, info, warning, error
  } log;
};

struct ConfigOverride {
  std::string key;     // "listen.address"
  std::string value;   // as written in TOML, strings without quotes
  std::string source;  // where it came from, for errors: "--listen"
};

/// Reads `home`/config.toml if it exists. A key that is not known, a value of the wrong type or out of range, and TOML
/// that does not parse are kInvalidArgument, naming file, line and key.
Result<Config> load_config(const std::string& home, const std::vector<ConfigOverride>& overrides = {});

/// The same from text; `file` names it in errors.
Result<Config> parse_config(std::string_view text, const std::string& file, const std::string& home,
                            const std::vector<ConfigOverride>& overrides = {});

}  // namespace millrace::host

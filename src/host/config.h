// Config: the settings of an installation: defaults, then HOME/config.toml, then overrides from the command line.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/result.h"

namespace millrace::host {

/// A virtual node: [[node]], as often as there are nodes. Without any, this machine is one node.
struct NodeConfig {
  std::string name;        // required; with `count` above 1 a number is added: "n0", "n1", ...
  std::int64_t count = 1;  // so many alike
  double cpus = 1;
  std::int64_t memory_bytes = std::int64_t{1} << 30;  // memory = "8GiB"
  std::int64_t accelerators = 0;                      // at most 16
  std::string accel;                                  // what they are: "fake"; required with accelerators
  std::string kind = "fake";                          // name that jobs ask for
  std::int64_t accelerator_memory_bytes = 0;          // accelerator_memory = "80GiB"; 0: unknown
  double accelerator_idle_w = 0, accelerator_max_w = 0;
  std::string rack, rail;        // rail: a switch of the network, or a group of them
  std::string domain;            // nodes of one domain share a fast interconnect
  double idle_w = 0, max_w = 0;  // without accelerators' range above idle; 0: derived from the cpus
  double budget_w = 0;           // never draws more than this; 0: no bound
  bool attested = false;

  /// Of its `i`-th, from 0.
  std::string name_of(std::int64_t i) const { return count == 1 ? name : name + std::to_string(i); }
};

/// Every member shows its key in config.toml ("[section] key") and its default.
struct Config {
  std::string home;  // paths below that do not start with / are below it
  struct {
    std::string address = "127.0.0.1:8080";  // HOST:PORT; port 0 picks a free one
    std::string tls_cert, tls_key;           // PEM files; both or none
  } listen;
  struct {
    std::string name = "local";
    std::string zone = "FR";    // electricity zone
    double pue = 1.0;           // power usage effectiveness, at least 1
    std::string jurisdiction;   // whose law applies; empty: the first two letters of the zone
    double power_budget_w = 0;  // predicted draw stays below; 0: no bound
    std::string intensity;      // CSV file of hourly gCO2e/kWh; empty: the zone's yearly mean
  } site;
  struct {
    // Of the whole server; 0: derived from its cores (energy model).
    double idle_w = 0, max_w = 0;
  } node;
  std::vector<NodeConfig> nodes;
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
    std::int64_t journal_slots =
        65536;  // requests in work or not yet drained, per gateway; at 50,000 a second 1.3 s
  } limits;
  struct {
    std::int64_t max_stale_s = 24 * 3600;  // a gateway cut off from the server admits nothing after it
  } policy;
  struct {
    // Environments are served as NAME.<domain>; nothing else of this gateway may be named below it.
    std::string domain = "localhost";
    std::int64_t idle_s = 3600;  // stopped after so long without use, unless made with another time; 0: never
  } environments;
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

#include "serving/engine_command.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "core/id.h"
#include "host/file.h"

namespace millrace::serving {
namespace {

constexpr const char* kModelTarget = "/model/model.gguf";
// A request's prompt is worked on in pieces of this many tokens, and a client that goes away is noticed between two.
// A cancelled prompt runs on to the end of its batch: 64 tokens are under half a second on a slow core.
constexpr std::int64_t kChatBatch = 64;
constexpr std::int64_t kPromptCacheMib = 256;
constexpr std::int64_t kEmbedIdleSeconds = 300;

std::int64_t number(const std::map<std::string, std::string>& labels, const char* key) {
  const auto found = labels.find(key);
  std::int64_t value = 0;
  if (found != labels.end())
    std::from_chars(found->second.data(), found->second.data() + found->second.size(), value);
  return value;
}

std::string join(const std::vector<int>& cpus) { return fmt::format("{}", fmt::join(cpus, ",")); }

std::vector<int> split(std::string_view text) {
  std::vector<int> cpus;
  while (!text.empty()) {
    int cpu = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), cpu);
    if (error != std::errc()) break;
    cpus.push_back(cpu);
    text.remove_prefix(std::min<std::size_t>(static_cast<std::size_t>(end - text.data()) + 1, text.size()));
  }
  return cpus;
}

std::vector<std::string> arguments(const ReplicaSpec& spec, const EngineInstall& engine) {
  const std::string threads = std::to_string(spec.threads);
  const std::int64_t batch = spec.embeds ? spec.context / spec.slots : kChatBatch;
  std::vector<std::string> argv = {engine.program,
                                   "--host",
                                   std::string("/data/") + kEngineSocket,
                                   "--model",
                                   kModelTarget,
                                   "--alias",
                                   spec.model,
                                   "--threads",
                                   threads,
                                   "--threads-batch",
                                   threads,
                                   "--parallel",
                                   std::to_string(spec.slots),
                                   "--ctx-size",
                                   std::to_string(spec.context),
                                   "--batch-size",
                                   std::to_string(batch),
                                   "--ubatch-size",
                                   std::to_string(batch),
                                   "--no-ui",
                                   "--offline"};
  // Spinning threads of two engines on shared cores starve each other.
  if (spec.threads > 1) argv.insert(argv.end(), {"--poll", "0"});
  if (spec.embeds) {
    argv.insert(argv.end(), {"--embeddings", "--pooling", "mean", "--cache-ram", "0", "--sleep-idle-seconds",
                             std::to_string(kEmbedIdleSeconds)});
  } else {
    argv.insert(argv.end(), {"--jinja", "--cache-ram", std::to_string(kPromptCacheMib)});
  }
  return argv;
}

// An upper bound that protects the node, not a measure: weights mapped and repacked, 512 KiB a token of context (a
// 7-billion-parameter model without grouped attention, 16-bit), the prompt cache, and room for the program.
std::int64_t memory_bound(std::int64_t model_bytes, const ReplicaSpec& spec) {
  return 2 * model_bytes + spec.context * (512 << 10) + (kPromptCacheMib << 20) + (std::int64_t{1} << 30);
}

}  // namespace

Result<ReplicaSpec> complete(ReplicaSpec spec) {
  const auto wrong = [&](std::string text) {
    return failure(ErrorCode::kInvalidArgument, "replica " + spec.id + ": " + text);
  };
  if (spec.slots == 0) spec.slots = spec.embeds ? 1 : kChatSlots;
  if (spec.context == 0) spec.context = spec.embeds ? kEmbedContext * spec.slots : kChatContext;
  if (spec.threads == 0)
    spec.threads = std::max<std::int64_t>(1, static_cast<std::int64_t>(spec.cpus.size()));
  if (spec.slots < 1 || spec.slots > 256)
    return wrong(fmt::format("slots must be 1 to 256, found {}", spec.slots));
  if (spec.context < 128 || spec.context > (1 << 20) || spec.context / spec.slots < 64)
    return wrong(
        fmt::format("context must be 128 to 1048576 and at least 64 a slot, found {}", spec.context));
  if (spec.threads < 1 || spec.threads > 512)
    return wrong(fmt::format("threads must be 1 to 512, found {}", spec.threads));
  const auto plain = [](char c) { return c > ' ' && c < 127 && c != '"' && c != '\\' && c != ','; };
  if (spec.model.empty() || spec.model.size() > 200 || spec.model.front() == '-' ||
      !std::all_of(spec.model.begin(), spec.model.end(), plain))
    return wrong("the model's name must be 1 to 200 printable characters, not starting with '-'");
  if (!spec.model_file.starts_with('/'))
    return wrong("the model file must be an absolute path, found '" + spec.model_file + "'");
  return spec;
}

Result<executor::WorkloadSpec> workload_of(const ReplicaSpec& spec, const EngineInstall& engine) {
  struct stat info{};
  if (::stat(spec.model_file.c_str(), &info) != 0 || !S_ISREG(info.st_mode))
    return failure(ErrorCode::kNotFound,
                   "looked for the model file " + spec.model_file + ", found none: import the model again");
  if (::geteuid() == 0 && (info.st_mode & S_IROTH) == 0)
    return failure(ErrorCode::kDenied,
                   "the engine runs as nobody, who may not read " + spec.model_file + ": chmod o+r it");
  executor::WorkloadSpec workload;
  workload.id = spec.id;
  workload.root = engine.root;
  if (!engine.prefix.empty()) workload.mounts.push_back({engine.prefix, engine.prefix, false});
  workload.mounts.push_back({spec.model_file, kModelTarget, false});
  workload.argv = arguments(spec, engine);
  workload.cpus = spec.cpus;
  workload.resources = {
      .memory_bytes = memory_bound(info.st_size, spec), .cpu_millis = 0, .pids = 256, .open_files = 4096};
  workload.labels = {{"endpoint", spec.endpoint},
                     {"model", spec.model},
                     {"model_file", spec.model_file},
                     {"context", std::to_string(spec.context)},
                     {"slots", std::to_string(spec.slots)},
                     {"threads", std::to_string(spec.threads)},
                     {"embeds", spec.embeds ? "1" : "0"},
                     {"cpus", join(spec.cpus)},
                     {"spread", spec.spread},
                     {"generation", spec.generation}};
  return workload;
}

bool has_room(const ReplicaSpec& spec) {
  struct stat info{};
  const auto whole = complete(spec);
  const auto text = host::read_file("/proc/meminfo", 16 << 10);
  if (!whole || !text || ::stat(spec.model_file.c_str(), &info) != 0)
    return true;  // the start itself will tell
  constexpr std::string_view kKey = "MemAvailable:";
  const std::size_t at = text->find(kKey);
  if (at == std::string::npos) return true;
  std::int64_t free_kib = 0;
  const std::size_t begin = text->find_first_of("0123456789", at);
  std::from_chars(text->data() + begin, text->data() + text->size(), free_kib);
  const std::int64_t need = info.st_size + whole->context * (32 << 10) + (std::int64_t{256} << 20);
  return free_kib * 1024 >= need;
}

Result<ReplicaSpec> spec_from_labels(const std::string& id,
                                     const std::map<std::string, std::string>& labels) {
  const auto text = [&](const char* key) {
    const auto found = labels.find(key);
    return found == labels.end() ? std::string() : found->second;
  };
  if (!labels.contains("endpoint") || !labels.contains("generation"))
    return failure(ErrorCode::kCorrupt,
                   "workload " + id + " is not a replica: it has no label endpoint or generation");
  ReplicaSpec spec{
      .id = id, .endpoint = text("endpoint"), .model = text("model"), .model_file = text("model_file")};
  spec.context = number(labels, "context");
  spec.slots = number(labels, "slots");
  spec.threads = number(labels, "threads");
  spec.embeds = text("embeds") == "1";
  spec.cpus = split(text("cpus"));
  if (labels.contains("spread")) spec.spread = text("spread");
  spec.generation = text("generation");
  return spec;
}

}  // namespace millrace::serving

#include "host/config_nodes.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <variant>

#include "core/amount.h"
#include "core/id.h"

namespace millrace::host {
namespace {

struct Size {
  std::int64_t NodeConfig::* member;
};
struct Count {
  std::int64_t NodeConfig::* member;
  std::int64_t least, most;
};
struct Number {
  double NodeConfig::* member;
  double most;
};
struct Text {
  std::string NodeConfig::* member;
};
struct Truth {
  bool NodeConfig::* member;
};
struct Key {
  std::string_view name;
  std::variant<Size, Count, Number, Text, Truth> what;
};

constexpr double kWattsMax = 1e9;

const Key kKeys[] = {
    {"name", Text{&NodeConfig::name}},
    {"count", Count{&NodeConfig::count, 1, 100'000}},
    {"cpus", Number{&NodeConfig::cpus, 1e6}},
    {"memory", Size{&NodeConfig::memory_bytes}},
    {"accelerators", Count{&NodeConfig::accelerators, 0, 16}},
    {"accel", Text{&NodeConfig::accel}},
    {"kind", Text{&NodeConfig::kind}},
    {"accelerator_memory", Size{&NodeConfig::accelerator_memory_bytes}},
    {"accelerator_idle_w", Number{&NodeConfig::accelerator_idle_w, kWattsMax}},
    {"accelerator_max_w", Number{&NodeConfig::accelerator_max_w, kWattsMax}},
    {"rack", Text{&NodeConfig::rack}},
    {"rail", Text{&NodeConfig::rail}},
    {"domain", Text{&NodeConfig::domain}},
    {"idle_w", Number{&NodeConfig::idle_w, kWattsMax}},
    {"max_w", Number{&NodeConfig::max_w, kWattsMax}},
    {"budget_w", Number{&NodeConfig::budget_w, kWattsMax}},
    {"attested", Truth{&NodeConfig::attested}},
};

class NodeReader {
 public:
  NodeReader(NodeConfig& node, const toml::node& from) : node_(node), from_(from) {}

  /// What was wanted, if it was something else.
  std::string operator()(const Text& key) const {
    const auto* text = from_.as_string();
    if (text == nullptr) return "want a string in quotes";
    node_.*key.member = text->get();
    return {};
  }
  std::string operator()(const Truth& key) const {
    const auto* truth = from_.as_boolean();
    if (truth == nullptr) return "want true or false";
    node_.*key.member = truth->get();
    return {};
  }
  std::string operator()(const Count& key) const {
    const auto* count = from_.as_integer();
    if (count == nullptr || count->get() < key.least || count->get() > key.most)
      return fmt::format("want an integer in {} to {}", key.least, key.most);
    node_.*key.member = count->get();
    return {};
  }
  std::string operator()(const Number& key) const {
    const auto number = from_.value<double>();
    if (!from_.is_number() || !number || !(*number >= 0 && *number <= key.most))
      return fmt::format("want a number in 0 to {}", key.most);
    node_.*key.member = *number;
    return {};
  }
  std::string operator()(const Size& key) const {
    const auto* text = from_.as_string();
    const auto size = text != nullptr ? parse_size(text->get())
                                      : failure(ErrorCode::kInvalidArgument, "want a size such as \"8GiB\"");
    if (!size) return size.error().message;
    node_.*key.member = *size;
    return {};
  }

 private:
  NodeConfig& node_;
  const toml::node& from_;
};

std::unexpected<Error> fault(const std::string& file, std::int64_t line, std::string_view key,
                             std::string_view what) {
  return failure(ErrorCode::kInvalidArgument, fmt::format("{}:{}: node.{}: {}", file, line, key, what));
}

Result<NodeConfig> read_node(const toml::table& table, const std::string& file) {
  NodeConfig node;
  for (const auto& [name, value] : table) {
    const auto line = static_cast<std::int64_t>(value.source().begin.line);
    const auto* const key = std::ranges::find(kKeys, name.str(), &Key::name);
    if (key == std::end(kKeys)) return fault(file, line, name.str(), "there is no such setting");
    const std::string wanted = std::visit(NodeReader(node, value), key->what);
    if (!wanted.empty()) return fault(file, line, name.str(), wanted);
  }
  const auto line = static_cast<std::int64_t>(table.source().begin.line);
  if (!is_name(node.name)) return fault(file, line, "name", "want 1 to 63 of a to z, 0 to 9, '.' and '-'");
  if (node.accelerators > 0 && node.accel != "fake")
    return fault(file, line, "accel", "want \"fake\": real accelerators are found, not configured");
  if (node.max_w > 0 && node.max_w < node.idle_w) return fault(file, line, "max_w", "is below idle_w");
  if (node.accelerator_max_w < node.accelerator_idle_w)
    return fault(file, line, "accelerator_max_w", "is below accelerator_idle_w");
  return node;
}

/// Of a key that is there.
std::int64_t line_of(const toml::table& table, std::string_view key) {
  return static_cast<std::int64_t>(table.get(key)->source().begin.line);
}

}  // namespace

Result<std::vector<NodeConfig>> read_nodes(const toml::array& tables, const std::string& file) {
  std::vector<NodeConfig> nodes;
  std::set<std::string> names;
  for (const toml::node& each : tables) {
    const auto line = static_cast<std::int64_t>(each.source().begin.line);
    const auto* const table = each.as_table();
    if (table == nullptr) return fault(file, line, "", "want [[node]] tables");
    NodeConfig node = TRY(read_node(*table, file));
    for (std::int64_t i = 0; i < node.count; ++i) {
      const std::string name = node.name_of(i);
      if (!names.insert(name).second)
        return fault(file, line_of(*table, "name"), "name",
                     fmt::format("there are two nodes '{}'; count = N adds 0 to N-1 to the name", name));
    }
    nodes.push_back(std::move(node));
  }
  return nodes;
}

}  // namespace millrace::host

#include <fmt/format.h>

#include <cstring>
#include <set>
#include <variant>

#include "identity/policy.h"

namespace millrace::identity {
namespace {

struct UsedRecord {
  std::string scope;
  UsedPolicy used;
};
struct DrainRecord {
  std::string journal;
  DrainPolicy drain;
};
using Parsed = std::variant<KeyPolicy, TenantPolicy, ProjectPolicy, EndpointPolicy, ReplicaPolicy,
                            EnvironmentPolicy, PricePolicy, SitePolicy, UsedRecord, DrainRecord>;

/// The value, if its own name is the one that the record carries.
template <typename T>
Result<Parsed> named(Result<T> value, std::string T::* name, std::string_view wanted) {
  if (!value) return std::unexpected(std::move(value.error()));
  if ((*value).*name != wanted) {
    return failure(ErrorCode::kCorrupt, fmt::format("the record inside is named '{}'", (*value).*name));
  }
  return Parsed{std::move(*value)};
}

Result<Parsed> parse_any(std::string_view record, std::string_view json) {
  if (record == "site") return Parsed{TRY(parse_site(json))};
  const std::size_t slash = record.find('/');
  if (slash == std::string_view::npos || slash + 1 == record.size()) {
    return failure(ErrorCode::kCorrupt, "this is not the name of a policy record");
  }
  const std::string_view kind = record.substr(0, slash);
  const std::string_view name = record.substr(slash + 1);
  if (kind == "key") return named(parse_key(json), &KeyPolicy::id, name);
  if (kind == "tenant") return named(parse_tenant(json), &TenantPolicy::name, name);
  if (kind == "project") return named(parse_project(json), &ProjectPolicy::name, name);
  if (kind == "endpoint") return named(parse_endpoint(json), &EndpointPolicy::name, name);
  if (kind == "replica") return named(parse_replica(json), &ReplicaPolicy::id, name);
  if (kind == "environment") return named(parse_environment(json), &EnvironmentPolicy::name, name);
  if (kind == "price") return named(parse_price(json), &PricePolicy::model, name);
  if (kind == "used") return Parsed{UsedRecord{std::string(name), TRY(parse_used(json))}};
  if (kind == "drained") return Parsed{DrainRecord{std::string(name), TRY(parse_drain(json))}};
  return failure(ErrorCode::kCorrupt, "this kind of policy record is not known");
}

/// The value under `name` in a map with transparent comparison, or nullptr.
template <typename Map>
const typename Map::mapped_type* find_in(const Map& map, std::string_view name) {
  const auto found = map.find(name);
  return found == map.end() ? nullptr : &found->second;
}

template <typename Map>
void erase_in(Map& map, std::string_view name) {
  const auto found = map.find(name);
  if (found != map.end()) map.erase(found);
}

std::unexpected<Error> corrupt_record(std::string_view record, std::string_view message) {
  return failure(ErrorCode::kCorrupt, fmt::format("policy record '{}': {}", record.substr(0, 128), message));
}

}  // namespace

std::size_t PolicyView::DigestHash::operator()(const KeyDigest& digest) const {
  // The digest is uniform already, and nobody without the pepper can choose it.
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

/// Puts one parsed record under its name; what was there before is gone already.
struct PolicyView::Put {
  PolicyView& view;

  void operator()(KeyPolicy& key) const {
    view.key_ids_.insert_or_assign(key.digest, key.id);
    store(view.keys_, key.id, key);
  }
  void operator()(TenantPolicy& tenant) const { store(view.tenants_, tenant.name, tenant); }
  void operator()(ProjectPolicy& project) const { store(view.projects_, project.name, project); }
  void operator()(EndpointPolicy& endpoint) const { store(view.endpoints_, endpoint.name, endpoint); }
  void operator()(ReplicaPolicy& replica) const { store(view.replicas_, replica.id, replica); }
  void operator()(EnvironmentPolicy& environment) const {
    store(view.environments_, environment.name, environment);
  }
  void operator()(PricePolicy& price) const { store(view.prices_, price.model, price); }
  void operator()(SitePolicy& site) const { view.site_ = std::move(site); }
  void operator()(UsedRecord& record) const { store(view.used_, record.scope, record.used); }
  void operator()(DrainRecord& record) const { store(view.drained_, record.journal, record.drain); }

  template <typename Map, typename Value>
  static void store(Map& map, std::string name, Value& value) {
    map.insert_or_assign(std::move(name), std::move(value));
  }
};

void PolicyView::drop(std::string_view record) {
  erase_in(records_, record);
  if (record == "site") site_ = {};
  const std::size_t slash = record.find('/');
  if (slash == std::string_view::npos) return;
  const std::string_view kind = record.substr(0, slash);
  const std::string_view name = record.substr(slash + 1);
  if (kind == "key") {
    if (const KeyPolicy* key = find_in(keys_, name)) {
      const auto holder = key_ids_.find(key->digest);
      if (holder != key_ids_.end() && holder->second == name) key_ids_.erase(holder);
    }
    erase_in(keys_, name);
  } else if (kind == "tenant") {
    erase_in(tenants_, name);
  } else if (kind == "project") {
    erase_in(projects_, name);
  } else if (kind == "endpoint") {
    erase_in(endpoints_, name);
  } else if (kind == "replica") {
    erase_in(replicas_, name);
  } else if (kind == "environment") {
    erase_in(environments_, name);
  } else if (kind == "price") {
    erase_in(prices_, name);
  } else if (kind == "used") {
    erase_in(used_, name);
  } else if (kind == "drained") {
    erase_in(drained_, name);
  }
}

Result<void> PolicyView::apply(const PolicyChange& change) {
  if (change.version < version_) {
    return failure(ErrorCode::kConflict,
                   fmt::format("policy version {} came after version {}", change.version, version_));
  }
  std::vector<std::pair<const std::string*, Parsed>> parsed;
  parsed.reserve(change.set.size());
  const std::set<std::string_view> deleted(change.del.begin(), change.del.end());
  std::unordered_map<KeyDigest, std::string_view, DigestHash> digests;
  for (const auto& [record, json] : change.set) {
    auto value = parse_any(record, json);
    if (!value) return corrupt_record(record, value.error().message);
    if (const auto* key = std::get_if<KeyPolicy>(&*value)) {
      const auto holder = key_ids_.find(key->digest);
      const bool held = !change.full && holder != key_ids_.end() && holder->second != key->id &&
                        !deleted.contains("key/" + holder->second) &&
                        !change.set.contains("key/" + holder->second);
      if (held || !digests.emplace(key->digest, record).second) {
        return corrupt_record(record, "another key has the same digest");
      }
    }
    parsed.emplace_back(&record, std::move(*value));
  }

  // From here on nothing fails: all of the change, or nothing.
  if (change.full) *this = PolicyView{};
  for (const std::string& record : change.del) drop(record);
  for (const auto& entry : parsed) drop(*entry.first);
  for (auto& [record, value] : parsed) {
    std::visit(Put{*this}, value);
    records_.insert_or_assign(*record, change.set.at(*record));
  }
  version_ = change.version;
  return {};
}

PolicyChange PolicyView::snapshot() const {
  PolicyChange change{.version = version_, .full = true, .set = {}, .del = {}};
  change.set.insert(records_.begin(), records_.end());
  return change;
}

const KeyPolicy* PolicyView::key_by_digest(const KeyDigest& digest) const {
  const auto found = key_ids_.find(digest);
  return found == key_ids_.end() ? nullptr : key(found->second);
}

const KeyPolicy* PolicyView::key(std::string_view id) const { return find_in(keys_, id); }
const TenantPolicy* PolicyView::tenant(std::string_view name) const { return find_in(tenants_, name); }
const ProjectPolicy* PolicyView::project(std::string_view name) const { return find_in(projects_, name); }
const EndpointPolicy* PolicyView::endpoint(std::string_view name) const { return find_in(endpoints_, name); }
const EnvironmentPolicy* PolicyView::environment(std::string_view name) const {
  return find_in(environments_, name);
}
const PricePolicy* PolicyView::price(std::string_view model) const { return find_in(prices_, model); }
const UsedPolicy* PolicyView::used(std::string_view scope) const { return find_in(used_, scope); }
const DrainPolicy* PolicyView::drained(std::string_view journal) const { return find_in(drained_, journal); }

}  // namespace millrace::identity

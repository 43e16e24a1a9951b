#include "identity/secrets.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace millrace::identity {
namespace {

constexpr std::size_t kMaxNameBytes = 64;

std::string folder_of(std::string_view project) { return fmt::format("{}{}/", kSecretPrefix, project); }

Result<std::string> key_of(std::string_view project, std::string_view name) {
  if (is_secret_name(name)) return folder_of(project) + std::string(name);
  return failure(ErrorCode::kInvalidArgument,
                 fmt::format("secret name: want 1 to {} letters, digits, '_', '.' and '-'", kMaxNameBytes));
}

std::unexpected<Error> no_such(std::string_view project, std::string_view name) {
  return failure(
      ErrorCode::kNotFound,
      fmt::format("project {} has no secret '{}'; set it with: millrace secret set {}", project, name, name));
}

}  // namespace

bool is_secret_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxNameBytes && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '.' || c == '-';
  });
}

Result<SecretInfo> Secrets::put(std::string_view project, std::string_view name, std::string_view text) {
  const std::string key = TRY(key_of(project, name));
  if (text.size() > kMaxBytes) {
    return failure(ErrorCode::kInvalidArgument,
                   fmt::format("secret {}: has {} bytes, at most {} are kept", name, text.size(), kMaxBytes));
  }
  if (!TRY(exists(project, name)) && TRY(list(project)).size() >= kMaxPerProject) {
    return failure(ErrorCode::kExhausted, fmt::format("project {} has {} secrets already; delete some first",
                                                      project, kMaxPerProject));
  }
  TRY_VOID(store_.commit({.expect = {}, .put = {{key, std::string(text)}}, .erase = {}}));
  return SecretInfo{.name = std::string(name), .bytes = text.size()};
}

Result<std::vector<SecretInfo>> Secrets::list(std::string_view project) const {
  const std::string folder = folder_of(project);
  std::vector<SecretInfo> all;
  for (const store::Record& record : TRY(store_.list(folder))) {
    all.push_back({.name = record.key.substr(folder.size()), .bytes = record.value.size()});
  }
  return all;
}

Result<void> Secrets::remove(std::string_view project, std::string_view name) {
  const std::string key = TRY(key_of(project, name));
  if (!TRY(exists(project, name))) return no_such(project, name);
  TRY_VOID(store_.commit({.expect = {}, .put = {}, .erase = {key}}));
  return {};
}

Result<std::string> Secrets::text(std::string_view project, std::string_view name) const {
  const std::string key = TRY(key_of(project, name));
  auto record = TRY(store_.find(key));
  if (!record) return no_such(project, name);
  return std::move(record->value);
}

Result<bool> Secrets::exists(std::string_view project, std::string_view name) const {
  const std::string key = TRY(key_of(project, name));
  return TRY(store_.find(key)).has_value();
}

}  // namespace millrace::identity

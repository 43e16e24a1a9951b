// The directory's records in the store: their keys and their JSON. Private to the module.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"
#include "identity/directory.h"

namespace millrace::identity {

inline constexpr std::string_view kTenantPrefix = "tenant/";
inline constexpr std::string_view kProjectPrefix = "project/";
inline constexpr std::string_view kPrincipalPrefix = "principal/";
inline constexpr std::string_view kKeyPrefix = "key/";
inline constexpr std::string_view kDigestPrefix = "key-digest/";  // hexadecimal digest -> id of the key
inline constexpr std::string_view kTenantQuotaPrefix = "quota/tenant/";
inline constexpr std::string_view kProjectQuotaPrefix = "quota/project/";

struct StoredKey {
  Key key;
  KeyDigest digest{};
};

// parse_stored_* answer kCorrupt naming the field.
std::string encode(const Tenant& tenant);
Result<Tenant> parse_stored_tenant(std::string_view json);
std::string encode(const Project& project);
Result<Project> parse_stored_project(std::string_view json);
std::string encode(const PrincipalRecord& principal);
Result<PrincipalRecord> parse_stored_principal(std::string_view json);
std::string encode(const StoredKey& key);
Result<StoredKey> parse_stored_key(std::string_view json);

}  // namespace millrace::identity

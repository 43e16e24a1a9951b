#include "apps/bootstrap.h"

#include "apps/secrets.h"

namespace millrace::apps {
namespace {

constexpr const char* kDefault = "default";

Result<void> ignore_conflict(auto result) {
  if (!result && result.error().code != ErrorCode::kConflict) return std::unexpected(result.error());
  return {};
}

Result<void> register_key(const Installation& installation, identity::Directory& directory,
                          const std::string& file, identity::Role role) {
  identity::KeyRequest request;
  request.project = kDefault;
  request.role = role;
  return ignore_conflict(directory.register_key(TRY(read_key(installation, file)), request));
}

}  // namespace

Result<void> bootstrap(const Installation& installation, identity::Directory& directory) {
  TRY_VOID(make_secrets(installation));
  if (directory.create_tenant(kDefault)) TRY_VOID(directory.set_tenant_quota(kDefault, identity::Limits{}));
  TRY_VOID(directory.tenant(kDefault));
  TRY_VOID(ignore_conflict(directory.create_project(kDefault, kDefault)));
  TRY_VOID(register_key(installation, directory, "bootstrap.key", identity::Role::kPlatformAdmin));
  TRY_VOID(register_key(installation, directory, "developer.key", identity::Role::kDeveloper));
  return {};
}

}  // namespace millrace::apps

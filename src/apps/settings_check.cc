#include "apps/settings_check.h"

#include "apps/certificate.h"
#include "apps/work_site.h"
#include "net/url.h"

namespace millrace::apps {

Result<void> check_settings(const host::Config& config) {
  const auto address = TRY(net::parse_host_port(config.listen.address));
  (void)TRY(listener_tls(config, address.host));
  (void)TRY(zone_intensity(config));
  if (const auto outlook = intensity_outlook(config.site.intensity, config.site.zone); !outlook)
    return failure(ErrorCode::kInvalidArgument, "site.intensity: " + outlook.error().message);
  return {};
}

}  // namespace millrace::apps

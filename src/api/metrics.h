// Metrics of the server process. No label holds a tenant, a project or a key: whoever scrapes learns nothing of them.
#pragma once

#include <string>

#include "api/services.h"
#include "host/openmetrics.h"

namespace millrace::api {

std::string metrics_text(Services& services, host::MetricsText::Format format);

}  // namespace millrace::api

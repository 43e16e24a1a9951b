// Site status: which processes run, where Millrace answers, and which endpoints clients use by default.
#pragma once

#include "api/services.h"
#include "apps/installation.h"
#include "host/config.h"
#include "host/limits.h"

namespace millrace::apps {

/// Safe from any thread.
api::SiteStatus site_status(const Installation& installation, const host::Config& config,
                            const host::OpenFiles& files, const control::ReplicaView& replicas,
                            const platform::Endpoints& endpoints);

/// "127.0.0.1:8080": where the gateway listens without TLS; empty while it does not.
std::string gateway_address(const Installation& installation);

}  // namespace millrace::apps

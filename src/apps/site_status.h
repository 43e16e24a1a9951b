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

}  // namespace millrace::apps

// Images: the root file systems that workloads can be given, one folder each below the cache.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/clock.h"
#include "core/result.h"

namespace millrace::executor {

/// Described by ROOT/etc/millrace-image.json, which whoever made the image has written (images/base).
struct Image {
  std::string name;
  std::string path;                         // the root file system
  std::string source;                       // "debian:bookworm", "oci:/x", "rootfs:/x"
  std::vector<std::string> requested = {};  // packages that were asked for besides those of every image
  std::int64_t packages = 0;                // installed ones; 0: unknown
  std::int64_t size_bytes = 0;
  TimePoint created_at{};
};

/// Where they are below the cache (host::cache_dir).
std::string images_folder(const std::string& cache);

/// kInvalidArgument unless 1 to 64 of [a-z0-9._-], starting with a letter or digit.
Result<void> check_image_name(const std::string& name);

/// kNotFound tells which images there are, and how to get one.
Result<Image> find_image(const std::string& folder, const std::string& name);
/// By name. What is not complete is left out.
Result<std::vector<Image>> list_images(const std::string& folder);
/// It is out of sight at once, also if removing it is interrupted. Workloads that run in it must have ended.
Result<void> delete_image(const std::string& folder, const std::string& name);

}  // namespace millrace::executor

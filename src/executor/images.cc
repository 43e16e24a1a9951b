#include "executor/images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>

#include "host/file.h"
#include "host/json.h"
#include "host/json_object.h"

namespace millrace::executor {
namespace {

constexpr const char* kDescription = "/etc/millrace-image.json";
constexpr std::size_t kNamed = 10;             // of those that there are, before who named another
constexpr const char* kDeleted = ".deleted.";  // of a folder that is being removed

Result<Image> read_image(const std::string& folder, const std::string& name) {
  Image image{.name = name, .path = folder + "/" + name, .source = {}};
  const std::string file = image.path + kDescription;
  const std::string text = TRY(host::read_file(file, 1 << 20));
  const auto value = TRY(host::parse_json(text));
  const host::JsonObject o = TRY(host::JsonObject::of(value, file));
  image.source = TRY(o.required_string("source"));
  image.packages = TRY(o.required_int("packages"));
  image.size_bytes = TRY(o.required_int("size_bytes"));
  const std::string created = TRY(o.required_string("created_at"));
  image.created_at = TRY(parse_rfc3339(created));
  for (const boost::json::value& package : *TRY(o.required_array("requested")))
    if (package.is_string()) image.requested.emplace_back(package.get_string());
  return image;
}

}  // namespace

std::string images_folder(const std::string& cache) { return cache + "/images"; }

Result<void> check_image_name(const std::string& name) {
  const auto first = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  const auto later = [&](char c) { return first(c) || c == '.' || c == '_' || c == '-'; };
  if (!name.empty() && name.size() <= 64 && first(name[0]) && std::ranges::all_of(name, later)) return {};
  return failure(
      ErrorCode::kInvalidArgument,
      "an image's name is 1 to 64 of [a-z0-9._-] starting with a letter or digit, found '" + name + "'");
}

Result<Image> find_image(const std::string& folder, const std::string& name) {
  TRY_VOID(check_image_name(name));
  if (host::exists(folder + "/" + name + kDescription)) return read_image(folder, name);
  std::vector<std::string> names;
  for (const Image& image : TRY(list_images(folder))) names.push_back(image.name);
  const std::size_t more = names.size() - std::min(names.size(), kNamed);
  names.resize(names.size() - more);
  return failure(
      ErrorCode::kNotFound,
      fmt::format("there is no image '{}'; there is: {}{}; see: millrace image list. Make it with: millrace "
                  "image build {}",
                  name, names.empty() ? "none" : fmt::format("{}", fmt::join(names, ", ")),
                  more > 0 ? fmt::format(" and {} more", more) : "", name));
}

Result<std::vector<Image>> list_images(const std::string& folder) {
  std::vector<Image> images;
  if (!host::exists(folder)) return images;
  for (const std::string& name : TRY(host::list_dir(folder))) {
    if (!check_image_name(name)) continue;
    if (auto image = read_image(folder, name)) images.push_back(std::move(*image));
  }
  return images;
}

Result<void> delete_image(const std::string& folder, const std::string& name) {
  const Image image = TRY(find_image(folder, name));
  const std::string away = fmt::format("{}/{}{}.{}", folder, kDeleted, name, ::getpid());
  if (std::rename(image.path.c_str(), away.c_str()) != 0)
    return std::unexpected(errno_error("move " + image.path + " out of the way", errno));
  for (const std::string& left : TRY(host::list_dir(folder)))
    if (left.starts_with(kDeleted)) TRY_VOID(host::remove_tree(fmt::format("{}/{}", folder, left)));
  return {};
}

}  // namespace millrace::executor

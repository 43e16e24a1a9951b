// job artifacts
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

#include "cli/cli.h"
#include "cli/commands.h"
#include "cli/output.h"
#include "host/fd.h"
#include "host/file.h"
#include "host/paths.h"

namespace millrace::cli {
namespace {

namespace json = boost::json;

constexpr std::int64_t kPieceBytes = 4 << 20;

/// A path that stays below the folder it is put into, whatever the server says.
bool is_safe(std::string_view path) {
  if (path.empty() || path.starts_with('/') || path.contains('\0')) return false;
  while (true) {
    const auto part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    if (part.size() == path.size()) return true;
    path.remove_prefix(part.size() + 1);
  }
}

Result<void> fetch_file(const Client& client, const std::string& id, const json::value& file,
                        const std::string& folder) {
  const auto path = cell(file, "path");
  if (!is_safe(path)) {
    return failure(ErrorCode::kCorrupt,
                   fmt::format("the server names a file '{}' that leads elsewhere", path));
  }
  const std::string target = folder + "/" + path;
  TRY_VOID(host::make_dirs(std::filesystem::path(target).parent_path().string()));
  const std::string part = target + ".part";
  const bool runs = file.at("executable").as_bool();
  const host::Fd fd(
      ::open(part.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, runs ? 0755 : 0644));
  if (!fd) return std::unexpected(errno_error("open " + part, errno));
  for (std::int64_t from = 0;;) {
    const auto bytes = TRY(client.text(fmt::format("/api/v1/jobs/{}/artifacts/content?path={}&from={}&max={}",
                                                   url_encode(id), url_encode(path), from, kPieceBytes)));
    if (bytes.empty()) break;
    TRY_VOID(host::write_all(fd.get(), bytes));
    from += static_cast<std::int64_t>(bytes.size());
  }
  if (::rename(part.c_str(), target.c_str()) != 0)
    return std::unexpected(errno_error("rename to " + target, errno));
  return {};
}

/// After all files, so that none is written through it.
Result<void> make_link(const json::value& file, const std::string& folder) {
  const auto path = cell(file, "path");
  const auto target = cell(file, "link");
  if (!is_safe(path) || !host::is_inner_link(path, target)) {
    return failure(ErrorCode::kCorrupt,
                   fmt::format("the server names a link '{}' to '{}' that leads elsewhere", path, target));
  }
  const std::string at = folder + "/" + path;
  TRY_VOID(host::make_dirs(std::filesystem::path(at).parent_path().string()));
  ::unlink(at.c_str());
  if (::symlink(target.c_str(), at.c_str()) != 0) return std::unexpected(errno_error("link " + at, errno));
  return {};
}

/// What one element left, into `folder`.
Result<void> fetch_all(const Client& client, const std::string& id, const std::string& folder,
                       json::array& done) {
  std::vector<json::value> files;
  TRY_VOID(client.each("/api/v1/jobs/" + url_encode(id) + "/artifacts",
                       [&](const json::value& file) { files.push_back(file); }));
  TRY_VOID(host::make_dirs(folder));
  for (const bool links : {false, true}) {
    for (const json::value& file : files) {
      if (file.at("link").is_string() != links) continue;
      TRY_VOID(links ? make_link(file, folder) : fetch_file(client, id, file, folder));
      done.push_back(json::object{
          {"id", id}, {"path", folder + "/" + cell(file, "path")}, {"size_bytes", file.at("size_bytes")}});
    }
  }
  return {};
}

/// "0-6:3,9" to 0, 3, 6, 9; as the server writes it.
std::vector<std::int64_t> indices_of(std::string_view text) {
  std::vector<std::int64_t> all;
  while (!text.empty()) {
    std::int64_t numbers[3] = {0, -1, 1};
    for (std::int64_t& number : numbers) {
      const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (fault != std::errc()) return all;
      text.remove_prefix(static_cast<std::size_t>(end - text.data()));
      if (!text.starts_with('-') && !text.starts_with(':')) break;
      text.remove_prefix(1);
    }
    if (numbers[1] < 0) numbers[1] = numbers[0];
    for (auto at = numbers[0]; at <= numbers[1] && numbers[2] > 0; at += numbers[2]) all.push_back(at);
    if (!text.empty()) text.remove_prefix(1);
  }
  return all;
}

}  // namespace

int job_artifacts(const Client& client, const JobOptions& options, bool as_json) {
  const auto job = client.call("GET", "/api/v1/jobs/" + url_encode(options.id));
  if (!job) return report(job.error());
  const std::string folder = options.to.empty() ? "output-" + options.id : options.to;
  json::array done;
  const auto array = cell(*job, "array");
  if (array == "-") {
    if (const auto fetched = fetch_all(client, options.id, folder, done); !fetched)
      return report(fetched.error());
  } else {
    for (const std::int64_t index : indices_of(array)) {
      const auto id = fmt::format("{}_{}", options.id, index);
      if (const auto fetched = fetch_all(client, id, fmt::format("{}/{}", folder, id), done); !fetched)
        return report(fetched.error());
    }
  }
  if (as_json) {
    print_json(done);
  } else if (done.empty()) {
    fmt::print(stderr, "job {} has left nothing under $MILLRACE_OUTPUT\n", options.id);
  } else {
    for (const auto& file : done) fmt::print("{}\n", cell(file, "path"));
  }
  return kOk;
}

}  // namespace millrace::cli

#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json.hpp>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

#include "apps/image_commands.h"
#include "cli/output.h"
#include "embed/image_scripts.h"
#include "executor/images.h"
#include "host/fd.h"
#include "host/file.h"
#include "host/paths.h"
#include "host/process.h"

namespace millrace::apps {
namespace {

using executor::Image;

struct Line {
  std::string name, from, rootfs, oci;
  std::vector<std::string> packages;
  bool json = false, again = false;
};

Result<std::string> folder_of_images() { return executor::images_folder(TRY(host::cache_dir())); }

boost::json::object to_json(const Image& image) {
  return {{"name", image.name},
          {"path", image.path},
          {"source", image.source},
          {"size_bytes", image.size_bytes},
          {"packages", image.packages},
          {"requested", boost::json::value_from(image.requested)},
          {"created_at", to_rfc3339(image.created_at)}};
}

void print(const std::vector<Image>& images) {
  std::vector<std::vector<std::string>> rows;
  for (const Image& image : images)
    rows.push_back({image.name, image.source,
                    fmt::format("{:.0f}", static_cast<double>(image.size_bytes) / 1e6),
                    image.packages > 0 ? std::to_string(image.packages) : "-", to_rfc3339(image.created_at)});
  cli::print_table({"name", "source", "MB", "packages", "created"}, rows);
}

// Runs it to its end; what it says goes to stderr.
Result<void> run(std::vector<std::string> argv, int stdin_fd) {
  host::ProcessSpec process;
  process.argv = std::move(argv);
  process.stdin_fd = stdin_fd;
  process.stdout_fd = process.stderr_fd = STDERR_FILENO;
  const pid_t pid = TRY(host::spawn(process));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (status != 0) return failure(ErrorCode::kInternal, "the image was not made; see above");
  return {};
}

// Runs a script that is part of this program.
Result<void> run_script(const std::string& file, std::vector<std::string> argv) {
  const auto scripts = image_scripts();
  const auto script = std::ranges::find(scripts, file, &EmbeddedFile::path);
  if (script == scripts.end()) return failure(ErrorCode::kInternal, file + " is no part of this program");
  const host::Fd text(::memfd_create("script", MFD_CLOEXEC));
  if (!text) return std::unexpected(errno_error("memfd_create", errno));
  TRY_VOID(host::write_all(text.get(), script->bytes));
  if (::lseek(text.get(), 0, SEEK_SET) != 0) return std::unexpected(errno_error("lseek", errno));
  return run(std::move(argv), text.get());
}

bool is_recipe(const std::string& image) {
  const auto scripts = image_scripts();
  return image != "base" &&
         std::ranges::find(scripts, image + "/build.sh", &EmbeddedFile::path) != scripts.end();
}

// Runs the script of an image that needs other files of images/: all of them are put into a folder for the time.
Result<void> run_recipe(const std::string& file, const std::string& root) {
  const std::string folder = root + ".recipe";
  TRY_VOID(host::remove_tree(folder));
  for (const auto& part : image_scripts()) {
    const std::string path = folder + "/" + std::string(part.path);
    TRY_VOID(host::make_dirs(path.substr(0, path.rfind('/')), 0700));
    TRY_VOID(host::write_file_atomic(path, part.bytes, part.path.ends_with(".sh") ? 0700 : 0600));
  }
  const auto done = run({"bash", folder + "/" + file, root}, -1);
  TRY_VOID(host::remove_tree(folder));
  return done;
}

// Makes it beside the one that is there, if any, and puts it in its place. Without `argv` the script is a recipe.
Result<Image> make(const Line& line, const std::string& script, std::vector<std::string> argv,
                   const std::vector<std::string>& rest) {
  TRY_VOID(executor::check_image_name(line.name));
  const std::string folder = TRY(folder_of_images());
  TRY_VOID(host::make_dirs(folder, 0755));
  const auto lock = host::lock_file(folder + "/." + line.name + ".lock");
  if (!lock)
    return failure(ErrorCode::kConflict, "image '" + line.name + "' is being made by another command");
  const bool there = executor::find_image(folder, line.name).has_value();
  if (there && !line.again)
    return failure(ErrorCode::kConflict,
                   "image '" + line.name + "' is there already; make it anew with --again");
  const std::string fresh = fmt::format("{}/.new.{}.{}", folder, line.name, ::getpid());
  if (argv.empty()) {
    TRY_VOID(run_recipe(script, fresh));
  } else {
    argv.push_back(fresh);
    argv.insert(argv.end(), rest.begin(), rest.end());
    TRY_VOID(run_script(script, std::move(argv)));
  }
  if (there) TRY_VOID(executor::delete_image(folder, line.name));
  if (std::rename(fresh.c_str(), (folder + "/" + line.name).c_str()) != 0)
    return std::unexpected(errno_error("put " + fresh + " in its place", errno));
  return executor::find_image(folder, line.name);
}

int show(const Result<Image>& image, bool json) {
  if (!image) return cli::report(image.error());
  if (json)
    cli::print_json(to_json(*image));
  else
    fmt::print("image {}: {}\n", image->name, image->path);
  return cli::kOk;
}

int build(const Line& line) {
  std::vector<std::string> packages = line.packages;
  if (is_recipe(line.name)) {
    if (packages.empty() && line.from.empty())
      return show(make(line, line.name + "/build.sh", {}, {}), line.json);
    return cli::report({ErrorCode::kInvalidArgument,
                        "image '" + line.name + "' has a recipe of its own: give another name"});
  }
  if (!line.from.empty()) {
    const auto folder = folder_of_images();
    const auto from =
        folder ? executor::find_image(*folder, line.from) : Result<Image>(std::unexpected(folder.error()));
    if (!from) return cli::report(from.error());
    if (!from->source.starts_with("debian:"))
      return cli::report(
          {ErrorCode::kInvalidArgument, "image '" + line.from + "' was imported (" + from->source +
                                            "): only an image that was built can be added to"});
    packages.insert(packages.end(), from->requested.begin(), from->requested.end());
  }
  std::ranges::sort(packages);
  const auto repeated = std::ranges::unique(packages);
  packages.erase(repeated.begin(), repeated.end());
  return show(make(line, "base/build.sh", {"bash", "-s", "--"}, packages), line.json);
}

int import(const Line& line) {
  if (line.rootfs.empty() == line.oci.empty())
    return cli::report({ErrorCode::kInvalidArgument, "image import: give one of --rootfs and --oci"});
  const std::string& source = line.rootfs.empty() ? line.oci : line.rootfs;
  return show(
      make(line, "base/import.py", {"python3", "-", line.rootfs.empty() ? "oci" : "rootfs", source}, {}),
      line.json);
}

int list(const Line& line) {
  const auto folder = folder_of_images();
  const auto images =
      folder ? executor::list_images(*folder) : Result<std::vector<Image>>(std::unexpected(folder.error()));
  if (!images) return cli::report(images.error());
  if (!line.json) {
    print(*images);
    return cli::kOk;
  }
  boost::json::array rows;
  for (const Image& image : *images) rows.push_back(to_json(image));
  cli::print_json({{"images", std::move(rows)}});
  return cli::kOk;
}

int remove(const Line& line) {
  const auto folder = folder_of_images();
  const auto done =
      folder ? executor::delete_image(*folder, line.name) : Result<void>(std::unexpected(folder.error()));
  return done ? cli::kOk : cli::report(done.error());
}

}  // namespace

void add_image_commands(CLI::App& image, cli::Chosen& chosen) {
  image.require_subcommand(1);
  const auto line = std::make_shared<Line>();
  const auto add = [&](const char* name, const char* help, int (*run)(const Line&)) {
    auto* command = image.add_subcommand(name, help);
    command->callback([line, run, &chosen] { chosen = [line, run] { return run(*line); }; });
    command->add_flag("--json", line->json, "print JSON");
    return command;
  };
  const auto named = [&](CLI::App* command) {
    command->add_option("name", line->name, "the image")->required();
  };
  const auto replaces = [&](CLI::App* command) {
    command->add_flag("--again", line->again, "also if it is there: the new one takes its place");
  };
  auto* built = add(
      "build",
      "make an image of Debian packages: a shell, coreutils, python3 and what is named; or jupyter, or shell",
      build);
  named(built);
  built->add_option("--packages", line->packages, "Debian packages, with commas")->delimiter(',');
  built->add_option("--from", line->from, "an image that was built: its packages, too");
  replaces(built);
  auto* imported = add("import", "make an image of a root file system or an OCI image", import);
  named(imported);
  imported->add_option("--rootfs", line->rootfs, "a folder, or a tar (plain, gzip, bzip2, xz)");
  imported->add_option("--oci", line->oci, "an OCI image layout: a folder, or a tar of one");
  replaces(imported);
  add("list", "images of this machine", list);
  named(add("delete", "remove an image; nothing may be running in it", remove));
}

}  // namespace millrace::apps

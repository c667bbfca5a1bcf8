#pragma once
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>

namespace pebbles::crash {

/// A folder of the test's own, gone with it. In memory where there is such a place: the shim knows what was synced,
/// so a real disk adds nothing but time.
class Folder {
 public:
  Folder() {
    const std::filesystem::path memory{"/dev/shm"};
    const auto parent = ::access(memory.c_str(), W_OK) == 0
                            ? memory
                            : std::filesystem::canonical(std::filesystem::temp_directory_path());
    std::string name = parent / "pebbles-crash-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error{"no temporary folder"};
    path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace pebbles::crash

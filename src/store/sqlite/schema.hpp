#pragma once
#include <string>

#include "store/sqlite/connection.hpp"

namespace pebbles::store::sqlite {

/// For locks that the connections of one process hold for moments.
inline constexpr int busy_ms_max = 2000;

struct OpenOptions {
  std::string path;
  std::string vfs;      ///< empty: the system's
  bool durable = true;  ///< false only as the control of the crash tests: commits are then not synced
};

/// Opens the one writing connection, creating the file's tables if it is new, and bringing those of an older version to
/// the present one.
/// Throws Failure; SQLITE_NOTADB, with a text that says why, for a file that is not ours or of a newer version:
/// nothing in such a file is touched.
[[nodiscard]] Connection open_writer(const OpenOptions& options);

/// Opens a connection that only reads. The file exists, and may be of an earlier version. Throws Failure.
[[nodiscard]] Connection open_reader(const OpenOptions& options);

}  // namespace pebbles::store::sqlite

#pragma once
#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

/// Thin RAII over SQLite. Inside this folder a failed call throws; the ports' functions catch it at their edge and turn
/// it into a Result or an outcome.
namespace pebbles::store::sqlite {

class Failure : public std::runtime_error {
 public:
  Failure(int code, const std::string& what) : std::runtime_error{what}, code_{code} {}
  [[nodiscard]] int code() const noexcept { return code_; }  ///< extended result code
  [[nodiscard]] int primary() const noexcept { return code_ & 0xff; }

 private:
  int code_;
};

/// One stored record is not what was written; the file itself is whole. Its text names the record and says why.
class Unreadable : public Failure {
 public:
  explicit Unreadable(const std::string& what) : Failure{SQLITE_CORRUPT, what} {}
};

/// What a failure means to the world outside: store_corrupt where SQLite says so, else store_unavailable.
/// `path` stands in front of the text where it helps: when a file is opened.
[[nodiscard]] Error to_error(const Failure& failure, std::string_view path = {});

/// Runs `work`; a Failure becomes the error that `to_error` makes of it.
template <class Work>
auto guarded(Work&& work, std::string_view path = {}) -> Result<decltype(work())> {
  try {
    return std::forward<Work>(work)();
  } catch (const Unreadable& record) {
    return failure(Errc::store_corrupt, record.what());
  } catch (const Failure& failure) {
    return std::unexpected{to_error(failure, path)};
  }
}

using Blob = std::span<const std::uint8_t>;

/// One prepared statement, kept for the connection's life. `run` binds its arguments in order and gives the rows.
class Statement {
 public:
  Statement(sqlite3* connection, std::string_view sql);

  /// The rows of one execution; resets the statement when it goes. Views are valid until the next `next()`.
  class Rows {
   public:
    explicit Rows(sqlite3_stmt* statement) : statement_{statement} {}
    Rows(const Rows&) = delete;
    Rows& operator=(const Rows&) = delete;
    ~Rows() { sqlite3_reset(statement_); }

    /// Steps; false when there is no further row.
    bool next();
    [[nodiscard]] bool is_null(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
    [[nodiscard]] bool is_integer(int column) const {
      return sqlite3_column_type(statement_, column) == SQLITE_INTEGER;
    }
    [[nodiscard]] std::int64_t integer(int column) const { return sqlite3_column_int64(statement_, column); }
    [[nodiscard]] std::string_view text(int column) const;
    [[nodiscard]] Blob blob(int column) const;

   private:
    sqlite3_stmt* statement_;
  };

  template <class... Args>
  [[nodiscard]] Rows run(const Args&... args) {
    int index = 0;
    (bind(++index, args), ...);
    return Rows{statement_.get()};
  }
  /// Runs to the end; for statements without rows.
  template <class... Args>
  void execute(const Args&... args) {
    run(args...).next();
  }

 private:
  // Bound values are not copied: they outlive the Rows that `run` returns.
  void bind(int index, std::int64_t value);
  void bind(int index, int value) { bind(index, std::int64_t{value}); }
  void bind(int index, std::string_view value);
  void bind(int index, Blob value);
  void bind(int index, std::nullptr_t);
  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value)
      bind(index, *value);
    else
      bind(index, nullptr);
  }
  void check(int code);

  sqlite3* connection_;
  std::unique_ptr<sqlite3_stmt, decltype(&sqlite3_finalize)> statement_{nullptr, sqlite3_finalize};
};

enum class Access : std::uint8_t { read_only, read_write };

/// One connection, used by one thread at a time.
class Connection {
 public:
  /// `vfs` empty: the system's. Throws Failure.
  Connection(const std::string& path, const std::string& vfs, Access access);

  [[nodiscard]] sqlite3* get() const noexcept { return handle_.get(); }
  [[nodiscard]] Statement prepare(std::string_view sql) const { return Statement{handle_.get(), sql}; }
  void execute(const std::string& sql) const;
  [[nodiscard]] std::int64_t integer_of(std::string_view sql) const;

 private:
  std::unique_ptr<sqlite3, decltype(&sqlite3_close)> handle_{nullptr, sqlite3_close};
};

/// A read transaction for the scope: every statement in it sees one state.
class ReadScope {
 public:
  explicit ReadScope(const Connection& connection) : connection_{connection} { connection_.execute("BEGIN"); }
  ReadScope(const ReadScope&) = delete;
  ReadScope& operator=(const ReadScope&) = delete;
  ~ReadScope() { sqlite3_exec(connection_.get(), "COMMIT", nullptr, nullptr, nullptr); }

 private:
  const Connection& connection_;
};

}  // namespace pebbles::store::sqlite

#include "admission/batch.hpp"

#include <fmt/core.h>

#include <algorithm>
#include <span>

#include "admission/read_update.hpp"
#include "base/result.hpp"
#include "json/parser.hpp"
#include "json/problem.hpp"

namespace pebbles::admission {
namespace {

using Texts = std::vector<std::string_view>;

constexpr std::string_view white_space = " \t\r\n";

std::unexpected<BadBatch> bad_batch(std::string detail) {
  return std::unexpected{BadBatch{.has_too_many = false, .detail = std::move(detail)}};
}
constexpr std::string_view body_name = "the body";

/// What has no end, or is no array, is found by a parser of the whole.
std::unexpected<BadBatch> malformed(std::string_view body) {
  return bad_batch(explain({.text = body, .what = body_name}).fault.detail);
}
std::unexpected<BadBatch> too_many() {
  return std::unexpected{
      BadBatch{.has_too_many = true, .detail = fmt::format("A batch must have at most {} updates", batch_updates_max)}};
}

std::unexpected<BadBatch> malformed_in(std::string_view body, std::string_view text) {
  return bad_batch(explain({.text = text, .what = body_name, .whole = body}).fault.detail);
}

std::optional<std::string> explain_if_malformed(std::string_view body) {
  if (!json::find_problem(body)) return std::nullopt;
  return explain({.text = body, .what = body_name}).fault.detail;
}

/// Why a text is no JSON. A value that cannot be read is JSON all the same.
std::optional<std::string> find_syntax_problem(const Source& source) {
  const auto problem = json::find_problem(source.text);
  if (!problem || problem->kind != json::Problem::Kind::syntax) return std::nullopt;
  return explain(source).fault.detail;
}

/// Finds where the values of a document begin and end, by its quotes and brackets alone: whether they are JSON is for
/// the parser to say, one by one. So no more than one of them is ever held parsed, and each has its own bound.
class Cutter {
 public:
  explicit Cutter(std::string_view text) : text_{text} {}

  [[nodiscard]] std::string_view text() const { return text_; }
  [[nodiscard]] bool is_at_end() {
    skip_white_space();
    return at_ == text_.size();
  }
  [[nodiscard]] bool is_before(char c) { return !is_at_end() && text_[at_] == c; }
  /// Takes `c`, if it comes next.
  bool take(char c) {
    const bool comes = is_before(c);
    if (comes) ++at_;
    return comes;
  }
  /// Everything up to what must separate it from the next, or ends what it stands in.
  std::string_view value();

 private:
  void skip_white_space() { at_ = std::min(text_.find_first_not_of(white_space, at_), text_.size()); }
  void skip_string();

  std::string_view text_;
  std::size_t at_ = 0;
};

/// From its first quote to behind its last.
void Cutter::skip_string() {
  for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_)
    if (text_[at_] == '\\') ++at_;
  at_ = std::min(at_ + 1, text_.size());
}

std::string_view Cutter::value() {
  skip_white_space();
  const auto begin = at_;
  std::size_t depth = 0;
  while (at_ < text_.size()) {
    const char c = text_[at_];
    if (c == '"') {
      skip_string();
      continue;
    }
    if (depth == 0 && (c == ',' || c == ':' || c == ']' || c == '}')) break;
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at_;
  }
  const auto found = text_.substr(begin, at_ - begin);
  return found.substr(0, found.find_last_not_of(white_space) + 1);
}

std::expected<Texts, BadBatch> cut_array(Cutter& document) {
  Texts out;
  if (!document.take('[')) return malformed(document.text());
  if (document.take(']')) return out;
  do {
    if (out.size() == batch_updates_max) return too_many();
    out.push_back(document.value());
  } while (document.take(','));
  if (!document.take(']')) return malformed(document.text());
  return out;
}

/// The next member's name is `updates`.
std::expected<bool, BadBatch> is_updates(Cutter& document) {
  constexpr std::size_t name_bytes_max = 64;  // with every letter of it escaped
  const Source source{.text = document.value(), .what = body_name, .whole = document.text()};
  if (source.text.size() > name_bytes_max) {
    if (const auto why = find_syntax_problem(source)) return bad_batch(*why);
    if (!source.text.starts_with('"') || !document.take(':')) return malformed(document.text());
    return false;
  }
  const auto name = parse_value(source);
  if (!name) return bad_batch(name.error().fault.detail);
  std::string_view text;
  if (name->get(text) || !document.take(':')) return malformed(document.text());
  return text == "updates";
}

std::expected<Texts, BadBatch> cut_object(Cutter& document) {
  std::optional<Texts> out;
  if (!document.take('{')) {
    const auto wrong = explain_if_malformed(document.text());
    return bad_batch(wrong ? *wrong : "the body must be an array, or an object with one named updates");
  }
  if (document.take('}')) return bad_batch("updates is required");
  do {
    PEBBLES_TRY(is_them, is_updates(document));
    if (is_them) {
      if (out) return bad_batch("updates must be given only once");
      if (!document.is_before('[')) return bad_batch("updates must be an array");
      PEBBLES_TRY(updates, cut_array(document));
      out = std::move(updates);
    } else {
      const Source ignored{.text = document.value(), .what = body_name, .whole = document.text()};
      if (const auto why = find_syntax_problem(ignored)) return bad_batch(*why);
    }
  } while (document.take(','));
  if (!document.take('}')) return malformed(document.text());
  if (!out) return bad_batch("updates is required");
  return *std::move(out);
}

std::expected<Texts, BadBatch> cut_document(std::string_view body) {
  Cutter document{body};
  auto out = document.is_before('[') ? cut_array(document) : cut_object(document);
  if (out && !document.is_at_end()) return malformed(body);
  return out;
}

std::expected<Texts, BadBatch> cut_lines(std::string_view body) {
  Texts out;
  while (!body.empty()) {
    const auto end = std::min(body.find('\n'), body.size());
    const auto line = body.substr(0, end);
    body.remove_prefix(std::min(end + 1, body.size()));
    const auto begin = line.find_first_not_of(white_space);
    if (begin == line.npos) continue;
    if (out.size() == batch_updates_max) return too_many();
    out.push_back(line.substr(begin, line.find_last_not_of(white_space) + 1 - begin));
  }
  return out;
}

using Items = std::vector<BatchItem>;

constexpr std::string_view update_name = "the update";

void add_update(Items& out, std::expected<simdjson::dom::object, Fault> update) {
  if (!update) {
    out.emplace_back(Faults{std::move(update).error()});
    return;
  }
  std::visit([&](auto&& read) { out.emplace_back(std::forward<decltype(read)>(read)); }, read_update(*update));
}

/// Leaves out what is over `left`, but for the first.
void limit_faults(BatchItem& item, std::size_t& left) {
  auto* const faults = std::get_if<Faults>(&item);
  if (faults == nullptr) return;
  const auto kept = std::min(faults->size(), std::max<std::size_t>(left, 1));
  faults->erase(faults->begin() + static_cast<std::ptrdiff_t>(kept), faults->end());
  left -= std::min(left, kept);
}

struct BytesOf {
  std::size_t operator()(const Update& update) const {
    return update.filename->size() + update.what.errors.bytes() + update.what.warnings.bytes() +
           update.event_id.size() + update.envelope_id.size() + update.client_krn.size() + update.email.size();
  }
  std::size_t operator()(const Faults& faults) const {
    std::size_t out = 0;
    for (const auto& fault : faults) out += sizeof fault + fault.detail.capacity() + fault.pointer.capacity();
    return out;
  }
  std::size_t operator()(const TooLarge&) const { return 0; }
};

}  // namespace

std::size_t bytes_of(const BatchItem& item) {
  constexpr std::size_t what_becomes_of_it = 700;  // its command, its place in a lane, its outcome
  return sizeof item + what_becomes_of_it + std::visit(BytesOf{}, item);
}

std::expected<BatchReader, BadBatch> BatchReader::open(std::string_view body, BatchForm form) {
  PEBBLES_TRY(texts, form == BatchForm::json ? cut_document(body) : cut_lines(body));
  return BatchReader{body, form, std::move(texts)};
}

std::expected<void, BadBatch> BatchReader::check_rest() const {
  for (const auto text : std::span{texts_}.subspan(next_))
    if (const auto why = find_syntax_problem({.text = text, .what = body_name, .whole = body_})) return bad_batch(*why);
  return {};
}

std::expected<std::vector<BatchItem>, BadBatch> BatchReader::read(std::size_t bytes_max) {
  const json::ParserScope scope;
  std::vector<BatchItem> out;
  if (bytes_max == SIZE_MAX) out.reserve(texts_.size() - next_);
  std::size_t bytes = 0;
  for (; next_ < texts_.size() && bytes < bytes_max; ++next_) {
    const auto text = texts_[next_];
    if (text.size() > update_bytes_max) {
      // Never a tree of it. What stands in a document has to be JSON whatever becomes of the update.
      if (form_ == BatchForm::json && !is_checked_)
        if (const auto why = find_syntax_problem({.text = text, .what = body_name, .whole = body_}))
          return bad_batch(*why);
      out.emplace_back(TooLarge{});
    } else if (const auto value = parse_value({.text = text, .what = update_name, .whole = body_})) {
      add_update(out, object_in(*value, update_name));
    } else if (form_ == BatchForm::json && value.error().is_syntax) {
      return malformed_in(body_, text);
    } else {
      out.emplace_back(Faults{value.error().fault});
    }
    limit_faults(out.back(), faults_left_);
    bytes += bytes_of(out.back());
  }
  if (form_ == BatchForm::json && !is_done() && !is_checked_) PEBBLES_TRY_VOID(check_rest());
  is_checked_ = true;
  return out;
}

std::expected<std::vector<BatchItem>, BadBatch> parse_batch(std::string_view body, BatchForm form) {
  PEBBLES_TRY(reader, BatchReader::open(body, form));
  return reader.read(SIZE_MAX);
}

}  // namespace pebbles::admission

// SPDX-License-Identifier: Apache-2.0
// tokenize_tool MODEL CASES IDS: reads a .gguf or tokenizer.json and encodes every case, for the
// parity test. CASES: per case a u32 length (little-endian) and that many bytes. IDS: per case a
// u32 count and that many i32 ids, without the tokens that add_special adds.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "kernels/core/bytes.hpp"
#include "runtime/model/gguf_file.hpp"
#include "runtime/tokenizer/tokenizer.hpp"

namespace sluice::runtime {
namespace {

Result<std::unique_ptr<Tokenizer>> open_tokenizer(const std::string& path) {
  if (!path.ends_with(".gguf")) return Tokenizer::from_json(path);
  const auto gguf = SLUICE_TRY(GgufFile::open(path));
  return Tokenizer::from_gguf(*gguf);
}

std::string decode_as_stream(const Tokenizer& tokenizer, std::span<const TokenId> ids) {
  StreamDecoder decoder(tokenizer);
  std::string text;
  for (const TokenId id : ids) text += decoder.push(id);
  return text + decoder.finish();
}

Status run(const std::string& model, const char* cases, const char* result, bool parse_special) {
  const auto tokenizer = SLUICE_TRY(open_tokenizer(model));
  std::ifstream input(cases, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(input), {}};
  ByteReader reader(as_bytes(bytes));
  ByteWriter writer;
  std::chrono::duration<double> time_s{};
  while (reader.remaining() > 0) {
    const std::string text = SLUICE_TRY(reader.get_string());
    const auto begin = std::chrono::steady_clock::now();
    const auto ids =
        tokenizer->encode(text, {.add_special = false, .parse_special = parse_special});
    time_s += std::chrono::steady_clock::now() - begin;
    const std::string decoded = tokenizer->decode(ids);
    if (decode_as_stream(*tokenizer, ids) != decoded) {
      return make_error(ErrorCode::kInternal, "The stream decoder differs for: " + text);
    }
    writer.put_array(std::span<const TokenId>(ids));
    writer.put_string(decoded);
  }
  std::ofstream output(result, std::ios::binary);
  output.write(reinterpret_cast<const char*>(writer.bytes().data()),
               static_cast<std::streamsize>(writer.bytes().size()));
  std::printf("%.1f MB/s\n", static_cast<double>(bytes.size()) / time_s.count() / 1e6);
  return {};
}

}  // namespace
}  // namespace sluice::runtime

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  const bool parse_special = std::string_view(argv[4]) == "special";
  const auto status = sluice::runtime::run(argv[1], argv[2], argv[3], parse_special);
  if (!status) std::fprintf(stderr, "%s\n", status.error().message.c_str());
  return status ? 0 : 1;
}

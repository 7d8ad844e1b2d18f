// SPDX-License-Identifier: Apache-2.0
// What a sanitized program needs to know about libraries that are not ours. Linked into every test
// and into `sluice`, so it also holds in processes that mpirun starts; the environment still wins.
// The symbols are the sanitizers' documented hooks, hence their names.

extern "C" {

__attribute__((visibility("default"))) const char* __asan_default_options();
__attribute__((visibility("default"))) const char* __lsan_default_suppressions();
__attribute__((visibility("default"))) const char* __tsan_default_options();
__attribute__((visibility("default"))) const char* __tsan_default_suppressions();
__attribute__((visibility("default"))) const char* __ubsan_default_options();

// LibTorch's libraries repeat some globals, which the one-definition check takes for an error.
const char* __asan_default_options() { return "detect_odr_violation=0:strict_string_checks=1"; }

const char* __ubsan_default_options() { return "print_stacktrace=1"; }

// Allocated once per process by libraries that never free it.
const char* __lsan_default_suppressions() {
  return "leak:libtorch\n"
         "leak:libc10\n"
         "leak:libgomp\n"
         "leak:libmpi\n"
         "leak:libopen-pal\n"
         "leak:libopen-rte\n"
         "leak:mca_\n"
         "leak:libpmix\n"
         "leak:libevent\n"
         "leak:libhwloc\n"
         "leak:libucp\n"
         "leak:libucs\n"
         "leak:libuct\n"
         "leak:libibverbs\n";
}

// These libraries are not instrumented: their own locks and barriers are invisible, so what they
// do to memory looks like a race. Calls from our code stay checked.
const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

const char* __tsan_default_suppressions() {
  return "called_from_lib:libgomp.so\n"
         "called_from_lib:libtorch_cpu.so\n"
         "called_from_lib:libc10.so\n"
         "called_from_lib:libmpi.so\n"
         "called_from_lib:libopen-pal.so\n"
         "called_from_lib:libucp.so\n"
         "called_from_lib:libucs.so\n"
         "called_from_lib:libuct.so\n"
         "race:libgomp.so\n"
         "race:libtorch_cpu.so\n";
}

}  // extern "C"

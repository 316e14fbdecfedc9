// A plugin in C without an SDK: it rejects events that failed, so that they are listed as dead letters for somebody to
// look at, and takes all others.
//
// Build: clang --target=wasm32-wasi -O2 -s -o reject.wasm reject.c
#include <stdio.h>
#include <string.h>

static char doc[8 << 20];

int main(void) {
	size_t n = fread(doc, 1, sizeof doc - 1, stdin);
	doc[n] = 0;
	const char *event = strstr(doc, "\"event\":{"); // its own fields come before its headers and body
	const char *verdict = event ? strstr(event, "\"verdict\":\"") : NULL;
	if (!verdict) return 1;
	if (strncmp(verdict + 11, "failed\"", 7) == 0) {
		fputs("the verification failed\n", stderr);
		return 65;
	}
	return 0;
}

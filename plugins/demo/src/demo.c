// The demo plugin: a plain WASI command in C, without an SDK. It reads the document on standard input, writes one line
// about the event to its log (standard error), and answers on standard output. It asks for a retry of the first attempt of
// an employment event, so that a newcomer sees a retry.
//
// Build: clang --target=wasm32-wasi -Oz -s -Wl,--strip-all -o ../demo.wasm demo.c
#include <stdio.h>
#include <string.h>

static char doc[1 << 20]; // the rest of a longer document is body, which the plugin does not read

// Copies the string that follows `name` (as in "\"key\":") after `from` into out; "-" when it is null or missing.
static const char *text(const char *from, const char *name, char *out, size_t size) {
	const char *p = strstr(from, name);
	size_t n = 0;
	if (p && *(p += strlen(name)) == '"') {
		for (p++; *p && *p != '"' && n + 1 < size; p++) out[n++] = *p;
	}
	if (n == 0) out[n++] = '-';
	out[n] = 0;
	return out;
}

int main(void) {
	size_t n = fread(doc, 1, sizeof doc - 1, stdin);
	doc[n] = 0;
	// The delivery comes first, then the event: its own fields before its headers and body. So the first match is the
	// right one in each part.
	char *event = strstr(doc, ",\"event\":{");
	if (!event) {
		fputs("this is not a document of inbox\n", stderr);
		return 1;
	}
	*event++ = 0; // doc is the delivery now
	event += strlen("\"event\":{");
	char name[64], type[64], key[128], verdict[16];
	text(event, "\"event\":", name, sizeof name);
	text(event, "\"event_type\":", type, sizeof type);
	text(event, "\"key\":", key, sizeof key);
	text(event, "\"verdict\":", verdict, sizeof verdict);
	if (strcmp(name, "employment") == 0 && strstr(doc, "\"attempt\":1,") && strstr(doc, "\"replay\":false")) {
		printf("{\"outcome\":\"retry\",\"reason\":\"the employer's register does not answer (as the demo has it)\"}");
		return 0;
	}
	fprintf(stderr, "%s %s of %s: %s\n", name, type, key, verdict);
	return 0;
}

// SPDX-License-Identifier: GPL-2.0
/*
 * Placeholders, and the configuration file written out for each instance.
 */
#include "conf.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report.h"

#define RUN_DIR		"/run/flowpar"
/* A configuration is text of some kilobytes; /dev/zero is not one. */
#define TEMPLATE_MAX	(1024 * 1024)

static char run_dir[PATH_MAX];
static mode_t conf_mode;	/* that of the template: it may hold secrets */

/*
 * "{port+N}": for a server's second port, of a service whose base port is N higher.
 *
 * Return: how long the placeholder is; 0: it is none, or its port would be none.
 */
static size_t port_plus(const char *text, unsigned int port, unsigned int *sum)
{
	unsigned long n = 0;
	const char *p;

	if (strncmp(text, "{port+", 6))
		return 0;
	for (p = text + 6; *p >= '0' && *p <= '9' && n <= 65535; p++)
		n = 10 * n + (unsigned long)(*p - '0');
	if (p == text + 6 || *p != '}' || port + n > 65535)
		return 0;
	*sum = port + (unsigned int)n;
	return (size_t)(p + 1 - text);
}

char *conf_substitute(const char *text, const struct place *place)
{
	unsigned int sum;
	char *out = NULL;
	size_t len, n;
	FILE *f = open_memstream(&out, &len);

	if (!f)
		abort();
	while (*text) {
		n = port_plus(text, place->port, &sum);
		if (n) {
			fprintf(f, "%u", sum);
			text += n;
		} else if (!strncmp(text, "{port}", 6)) {
			fprintf(f, "%u", place->port);
			text += 6;
		} else if (!strncmp(text, "{cpu}", 5)) {
			fprintf(f, "%u", place->cpu);
			text += 5;
		} else if (!strncmp(text, "{instance}", 10)) {
			fprintf(f, "%u", place->instance);
			text += 10;
		} else if (place->conf && !strncmp(text, "{conf}", 6)) {
			fputs(place->conf, f);
			text += 6;
		} else {
			putc(*text++, f);
		}
	}
	if (fclose(f))
		abort();
	return out;
}

char *conf_read(const char *template)
{
	char *text = NULL;
	struct stat st;
	size_t len;
	FILE *f;

	f = fopen(template, "re");
	if (!f || fstat(fileno(f), &st)) {
		report(template, "%s; give --template a file that can be read", strerror(errno));
		goto out;
	}
	if (!S_ISREG(st.st_mode) || st.st_size > TEMPLATE_MAX) {
		report(template, "not a regular file of at most 1 MiB; give --template a configuration file");
		goto out;
	}
	text = malloc(TEMPLATE_MAX + 1);
	if (!text)
		abort();
	len = fread(text, 1, TEMPLATE_MAX, f);
	text[len] = '\0';
	if (ferror(f) || strlen(text) != len) {
		report(template, "%s; give --template a text file",
		       ferror(f) ? strerror(errno) : "has a zero byte in it");
		free(text);
		text = NULL;
		goto out;
	}
	conf_mode = (st.st_mode & 0444) | S_IRUSR;
out:
	if (f)
		fclose(f);
	return text;
}

const char *conf_dir_make(void)
{
	const char *base = RUN_DIR;

	if (geteuid()) {
		base = getenv("XDG_RUNTIME_DIR");
		if (!base || !*base)
			base = getenv("TMPDIR");
		if (!base || !*base)
			base = "/tmp";
	} else if (mkdir(base, 0755) && errno != EEXIST) {
		report(base, "cannot be made: %s; make it or mend /run", strerror(errno));
		return NULL;
	}
	if (snprintf(run_dir, sizeof(run_dir), "%s/run-XXXXXX", base) >= (int)sizeof(run_dir) - 32)
		errno = ENAMETOOLONG;
	else if (mkdtemp(run_dir) && !chmod(run_dir, 0755))
		return run_dir;
	report(base, "no directory can be made in it for written-out templates: %s", strerror(errno));
	run_dir[0] = '\0';
	return NULL;
}

char *conf_new_name(const struct place *place)
{
	char *name;

	if (asprintf(&name, "%s.new", place->conf) < 0)
		abort();
	return name;
}

static bool not_written(const struct place *place)
{
	report(place->conf, "cannot be written: %s; is the file system full?", strerror(errno));
	conf_drop_new(place);
	return false;
}

bool conf_write_new(const char *text, const struct place *place)
{
	char *new_name = conf_new_name(place), *filled = conf_substitute(text, place);
	bool written = false;
	FILE *f;

	f = fopen(new_name, "we");
	if (f) {
		written = !fchmod(fileno(f), conf_mode) && fputs(filled, f) >= 0;
		written = !fclose(f) && written;
	}
	free(filled);
	free(new_name);
	return written || not_written(place);
}

bool conf_take_new(const struct place *place)
{
	char *new_name = conf_new_name(place);
	bool taken = !rename(new_name, place->conf);

	free(new_name);
	return taken || not_written(place);
}

void conf_drop_new(const struct place *place)
{
	char *new_name = conf_new_name(place);

	unlink(new_name);
	free(new_name);
}

bool conf_write(const char *text, const struct place *place)
{
	return conf_write_new(text, place) && conf_take_new(place);
}

/*
 * RUN_DIR goes with the last who uses it: what is in it keeps it, and an up or down at work
 * has its lock (affinity/lib/journal.sh), maybe before the first file is there.
 */
static void remove_unused(void)
{
	int fd = open(RUN_DIR, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	if (!flock(fd, LOCK_EX | LOCK_NB))
		rmdir(RUN_DIR);
	close(fd);
}

void conf_dir_remove(void)
{
	struct dirent *entry;
	DIR *dir;

	if (!run_dir[0])
		return;
	dir = opendir(run_dir);
	if (dir) {
		while ((entry = readdir(dir)))
			if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
				unlinkat(dirfd(dir), entry->d_name, 0);
		closedir(dir);
	}
	rmdir(run_dir);
	run_dir[0] = '\0';
	if (!geteuid())
		remove_unused();
}

-- app.is_time: which texts are times, and that Postgres takes each of them as what it says.
begin;
select plan(90);

create temporary table attempt (place bigint generated always as identity, value text, is_time boolean, behaviour text);
insert into attempt (value, is_time, behaviour)
values
('2026-01-02T03:04:05.678Z', true, 'what the old viewer writes'),
('2026-01-02T03:04:05Z', true, 'whole seconds'),
('2026-01-02T03:04:05.6Z', true, 'tenths'),
('2026-01-02T03:04:05.678901Z', true, 'microseconds'),
('2026-01-02T00:00:00Z', true, 'midnight'),
('2026-01-02T23:59:59.999999Z', true, 'the last microsecond of a day'),
('2026-12-31T23:59:59Z', true, 'the last second of a year'),
('2026-01-31T00:00:00Z', true, 'January has 31 days'),
('2026-04-30T00:00:00Z', true, 'April has 30 days'),
('2026-02-28T00:00:00Z', true, 'February has 28 days'),
('2024-02-29T00:00:00Z', true, 'and 29 in a leap year'),
('2000-02-29T00:00:00Z', true, 'as 2000 was'),
('0001-01-01T00:00:00Z', true, 'the year 1'),
('9999-12-31T23:59:59Z', true, 'the year 9999'),
('2026-01-02T03:04:05+00:00', true, 'an offset of nothing'),
('2026-01-02T03:04:05-00:00', true, 'the same with a minus'),
('2026-01-02T03:04:05+05:30', true, 'an offset to the east'),
('2026-01-02T03:04:05-11:00', true, 'an offset to the west'),
('2026-01-02T03:04:05+15:59', true, 'the greatest offset that Postgres knows'),
('2026-01-02T03:04:05-15:59', true, 'the same to the west'),
('0001-01-01T00:00:00+15:59', true, 'an offset that leads into the year before 1'),
('9999-12-31T23:59:59-15:59', true, 'an offset that leads into the year 10000'),

(null, false, 'null'),
('', false, 'nothing'),
(' ', false, 'a space'),
('now', false, 'now, which Postgres would take'),
('today', false, 'today'),
('tomorrow', false, 'tomorrow'),
('epoch', false, 'epoch'),
('infinity', false, 'infinity'),
('-infinity', false, 'minus infinity'),
('J2451187', false, 'a Julian day'),
('2024-127T00:00:00Z', false, 'a day of the year'),
('2024-W10-1T00:00:00Z', false, 'a week date'),
('1767322800000', false, 'milliseconds since 1970'),
('1767322800', false, 'seconds since 1970'),
('01/02/2024', false, 'a date with slashes'),
('Fri Jan 02 2026 03:04:05 GMT+0000 (UTC)', false, 'what JavaScript''s toString gives'),
('2026-01-02', false, 'a date only'),
('2026-01-02T03:04:05', false, 'no zone'),
('2026-01-02T03:04Z', false, 'no seconds'),
('2026-01-02 03:04:05Z', false, 'a space for the T'),
('2026-01-02t03:04:05Z', false, 'a small t'),
('2026-01-02T03:04:05z', false, 'a small z'),
('2026-01-02T03:04:05 Z', false, 'a space before the zone'),
(' 2026-01-02T03:04:05Z', false, 'a space in front'),
('2026-01-02T03:04:05Z ', false, 'a space behind'),
(E'2026-01-02T03:04:05Z\n', false, 'a line break behind'),
(E'now\n2026-01-02T03:04:05Z', false, 'a time in the second line'),
('2026-01-02T03:04:05.678901234Z', false, 'nanoseconds, which Postgres would round'),
('2026-01-02T03:04:05.6789012Z', false, 'seven digits of a second'),
('2026-01-02T03:04:05.Z', false, 'a point without digits'),
('2026-01-02T03:04:05,678Z', false, 'a comma for the point'),
('2026-01-02T24:00:00Z', false, 'hour 24'),
('2026-01-02T25:00:00Z', false, 'hour 25'),
('2026-01-02T03:60:00Z', false, 'minute 60'),
('2026-01-02T03:04:60Z', false, 'second 60'),
('2026-01-02T3:04:05Z', false, 'an hour of one digit'),
('2026-00-02T03:04:05Z', false, 'month 0'),
('2026-13-02T03:04:05Z', false, 'month 13'),
('2026-01-00T03:04:05Z', false, 'day 0'),
('2026-01-32T03:04:05Z', false, 'day 32'),
('2026-04-31T00:00:00Z', false, 'April 31'),
('2025-02-30T00:00:00Z', false, 'February 30'),
('2023-02-29T00:00:00Z', false, 'February 29 of no leap year'),
('1900-02-29T00:00:00Z', false, 'as 1900 was none'),
('2024-02-30T00:00:00Z', false, 'February 30 of a leap year'),
('0000-01-01T00:00:00Z', false, 'the year 0'),
('-0001-01-01T00:00:00Z', false, 'a year before'),
('+275760-09-13T00:00:00Z', false, 'the last time that JavaScript knows'),
('-271821-04-20T00:00:00Z', false, 'the first'),
('10000-01-01T00:00:00Z', false, 'a year of five digits'),
('26-01-02T03:04:05Z', false, 'a year of two digits'),
('2026-01-02T03:04:05+16:00', false, 'an offset that Postgres refuses'),
('2026-01-02T03:04:05+05:60', false, 'an offset with minute 60'),
('2026-01-02T03:04:05+0530', false, 'an offset without a colon'),
('2026-01-02T03:04:05+05', false, 'an offset of hours only'),
('2026-01-02T03:04:05UTC', false, 'a zone by name'),
('2026-01-02T03:04:05 Europe/Berlin', false, 'a place for a zone'),
('2026-01-02T03:04:05Z BC', false, 'BC behind it'),
('２０２６-01-02T03:04:05Z', false, 'digits that are not ASCII');

select
    is(
        app.is_time(value),
        is_time,
        format('%s: %s', behaviour, case when is_time then 'a time' else 'no time' end)
    )
from attempt
order by place;

-- Whatever is a time here, Postgres reads without error, and the same in every session.
select is_empty(
    $$
        select value
        from attempt
        where is_time
            and value::timestamptz is null
    $$,
    'Postgres reads every one of them'
);
create temporary table read_in_utc as
select
    value,
    set_config('timezone', 'UTC', true) as zone,
    value::timestamptz as at
from attempt
where is_time;
set local timezone to 'America/New_York';
set local datestyle to 'SQL, DMY';
select is_empty(
    $$
        select value
        from read_in_utc
        where at is distinct from value::timestamptz
    $$,
    'and the same whatever the session''s time zone and date style'
);
select is_empty(
    $$
        select value
        from attempt
        where is_time
            and value ~ 'Z$'
            and rtrim(regexp_replace(value, 'Z$', ''), '0') not like rtrim(to_char(value::timestamptz at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US'), '.0') || '%'
    $$,
    'a time in UTC is read as its own digits'
);

select set_eq(
    $$
        select format('%s-%s-%s', year, lpad(month::text, 2, '0'), lpad(day::text, 2, '0'))
        from unnest('{1600,1900,2000,2023,2024,2100}'::integer[]) as year
        cross join generate_series(0, 13) as month
        cross join generate_series(0, 32) as day
        where app.is_time(format('%s-%s-%sT00:00:00Z', year, lpad(month::text, 2, '0'), lpad(day::text, 2, '0')))
    $$,
    $$
        select to_char(day, 'YYYY-MM-DD')
        from unnest('{1600,1900,2000,2023,2024,2100}'::integer[]) as year
        cross join generate_series(make_timestamp(year, 1, 1, 0, 0, 0), make_timestamp(year, 12, 31, 0, 0, 0), '1 day') as day
    $$,
    'of the days of a year, leap year or not, it takes those that the calendar has'
);

select ok(legacy.is_id('x'), 'legacy.is_id: one byte is an id');
select ok(legacy.is_id(repeat('é', 256)), 'legacy.is_id: 512 bytes are an id');
select ok(not legacy.is_id(repeat('é', 256) || 'x'), 'legacy.is_id: 513 bytes in 257 characters are none');
select ok(not legacy.is_id(''), 'legacy.is_id: nothing is none');
select is(legacy.is_id(null), null, 'legacy.is_id: of null it is not known');

select finish();
rollback;

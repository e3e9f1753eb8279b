-- What the chat tables derive: the preview of a message, and the title of a thread nobody named.
begin;
select plan(17);

select is(app.message_preview(''), '', 'the preview of an empty message is empty');
select is(app.message_preview('Hello'), 'Hello', 'a short message is its own preview');
select is(app.message_preview(E'one\n two\t'), E'one\n two\t', 'white space is kept');
select is(app.message_preview(repeat('a', 279)), repeat('a', 279), '279 letters are kept');
select is(app.message_preview(repeat('a', 280)), repeat('a', 280), '280 letters are kept');
select is(app.message_preview(repeat('a', 280) || 'b'), repeat('a', 280), 'of 281 letters the last is cut');
select is(app.message_preview(repeat('é', 281)), repeat('é', 280), 'a letter beyond ASCII is one unit');
select is(app.message_preview(repeat('漢', 281)), repeat('漢', 280), 'a Chinese character is one unit');
select is(app.message_preview(repeat('😀', 140)), repeat('😀', 140), '140 emoji, two units each, just fit');
select is(app.message_preview(repeat('😀', 141)), repeat('😀', 140), 'of 141 emoji the last is cut');
select is(
    app.message_preview(repeat('a', 279) || '😀b'),
    repeat('a', 279),
    'an emoji that begins at unit 279 does not fit: it is dropped whole, and nothing after it is taken'
);
select is(
    app.message_preview(repeat('a', 278) || '😀b'),
    repeat('a', 278) || '😀',
    'an emoji that ends at unit 280 is kept'
);
select is(
    app.message_preview('😀' || repeat('a', 300)),
    '😀' || repeat('a', 278),
    'an emoji at the beginning takes two of the units'
);
select is(
    app.message_preview(U&'\FFFF' || repeat('a', 279) || U&'\+010000'),
    U&'\FFFF' || repeat('a', 279),
    'U+FFFF is one unit and U+10000 is two'
);
select is(app.message_preview(null), null, 'no content, no preview');

select is(app.default_thread_title('session'), 'Session Coach', 'the first thread of mode session is called Session Coach');
select is(app.default_thread_title('general'), 'General', 'the first thread of mode general is called General');

select finish();
rollback;
